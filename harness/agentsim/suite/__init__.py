"""The contract suite: proves of any host that it keeps the command ABI, clause by clause.

`plugin` is what pytest loads, `hosts` knows the kinds of hosts, `client` and `processes` look at a
host from outside, `report` writes what was found, and each `test_…` file is one subject.
"""
