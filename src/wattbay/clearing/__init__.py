"""Price rules beside the auction of the core: integers in, integers out; they know no market.

`blocks` looks for the orders over many periods to accept; the core verifies what it finds.
`truthful` holds auctions in which honesty is the best strategy. `community` settles a period
without orders, `sharing` allocates its energy; `response` estimates what homes would shift,
and `game` what they would do who play for it.
"""
