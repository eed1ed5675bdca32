variable "name" {
  description = "Prefix of what is made, as credix-dev."
  type        = string
}

variable "region" {
  description = "Region of stream, subnetwork and dataset."
  type        = string
}

variable "labels" {
  description = "Labels of what is made."
  type        = map(string)
}

variable "network" {
  description = "Network in which the source can be reached."
  type        = string
}

variable "settings" {
  description = "What the root module's variable datastream says."
  type = object({
    destination         = string
    subnet_cidr         = string
    producer_projects   = set(string)
    publication         = string
    replication_slot    = string
    user                = string
    freshness_seconds   = number
    is_running          = bool
    file_rotation_mb    = number
    file_rotation_every = number
  })

  validation {
    condition     = can(cidrhost(var.settings.subnet_cidr, 1)) && try(tonumber(split("/", var.settings.subnet_cidr)[1]), 0) <= 29
    error_message = "datastream.subnet_cidr is a free range of the network, /29 or larger, as in 10.20.0.0/29."
  }

  validation {
    condition     = length(var.settings.producer_projects) > 0
    error_message = "datastream.producer_projects names the projects of Datastream that may join the network: without them no one may."
  }

  validation {
    condition     = var.settings.file_rotation_every >= 15 && var.settings.file_rotation_every <= 60
    error_message = "datastream.file_rotation_every is between 15 and 60 seconds."
  }
}

variable "source_host" {
  description = "Address of the source in the network."
  type        = string
}

variable "postgres" {
  description = "The source server: port and database."
  type = object({
    port = number
    db   = string
  })
}

variable "tables" {
  description = "Schema and table of each source."
  type        = map(object({ schema = string, table = string }))
}

variable "lake" {
  description = "Bucket of the lake, where the destination is landing."
  type        = string
}

variable "folder" {
  description = "Folder in the lake, where the destination is landing."
  type        = string
}

variable "dataset" {
  description = "Dataset, where the destination is bigquery."
  type        = string
}

variable "agent" {
  description = "Datastream's own identity in the project."
  type        = string
}

variable "kms_key" {
  description = "Key that encrypts stream and dataset; null leaves it to Google's own keys."
  type        = string
  default     = null
}

variable "kms_is_ready" {
  description = "Grants on that key, which have to come first."
  type        = list(string)
  default     = []
}
