bucket = "my-project-dev-terraform"
prefix = "credix"
