"""Where to build next."""
