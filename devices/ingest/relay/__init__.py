"""The relay: calls that devices make to an openBalena API pass through here unchanged (docs/balena.md).

What an answer of the API proves about a device is concluded and written beside the call. No answer waits for
our database, and none fails because of us.
"""
