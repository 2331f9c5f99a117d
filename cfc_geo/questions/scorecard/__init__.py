"""Which targets of a plan are met: measure what a row asks for, judge it, list the gaps, and who is worst off."""
