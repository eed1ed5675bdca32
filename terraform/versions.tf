terraform {
  required_version = ">= 1.9, < 2.0"

  required_providers {
    google = {
      source  = "hashicorp/google"
      version = "~> 8.0"
    }
  }

  # Bucket and prefix come from the command line: terraform init -backend-config=environments/<env>.backend.hcl
  backend "gcs" {}
}

provider "google" {
  project = var.project
  region  = var.region
}
