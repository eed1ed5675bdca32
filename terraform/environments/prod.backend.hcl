bucket = "my-project-prod-terraform"
prefix = "credix"
