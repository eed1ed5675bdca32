bucket = "my-project-stage-terraform"
prefix = "credix"
