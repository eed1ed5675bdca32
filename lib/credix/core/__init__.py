"""Values and rules without any server: settings, contracts, types, errors, paths."""
