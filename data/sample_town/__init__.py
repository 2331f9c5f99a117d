"""The fictional district 示例区, drawn from plan.toml."""
