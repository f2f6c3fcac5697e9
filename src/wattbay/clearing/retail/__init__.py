"""Retail pricing models: typed records that compose by component into the prices of a local day.

`models` holds the records, `grid` the port behind which the strain of the grid is told, `prices`
adds the models up, `response` settles called demand response.
"""
