"""What a person does between runs."""
