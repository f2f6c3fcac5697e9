"""Bots: homes, panels and batteries that trade over MQTT by themselves, each a program of its own.

They know what any device knows: the market's clock, its retained topics, the answers to their own
orders. Nothing here reads a clock; what time it is, the market says.
"""
