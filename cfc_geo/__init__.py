"""cfc_geo: what children can walk to, where the gaps are, and what a proposal would change."""
