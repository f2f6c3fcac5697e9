"""Games that peers play over energy: estimates in floats, never what anybody owes.

`finite` knows games and their pure equilibria, `mixed` the mixed ones. `good_citizens` is the
bidding game of Elecbay, `tank` the water heater that it moves. `payments` are price rules that come
from games: NRG-X-Change, Shapley values, a shared storage.
"""
