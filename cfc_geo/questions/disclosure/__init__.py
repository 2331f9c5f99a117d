"""What may leave the office: small numbers of children suppressed, others rounded, so that none can be worked out."""
