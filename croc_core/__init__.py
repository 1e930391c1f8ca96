"""croc_core: the protocol of croc as sans-IO state machines."""
