"""Study → walking costs."""
