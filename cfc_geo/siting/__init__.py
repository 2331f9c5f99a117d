"""Where to build next: the siting problem of a plan, its answer, and the scenario that is held to it."""
