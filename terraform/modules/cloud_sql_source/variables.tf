variable "name" {
  description = "Prefix of what is made, as credix-dev."
  type        = string
}

variable "region" {
  description = "Region of the server."
  type        = string
}

variable "labels" {
  description = "Labels of what is made."
  type        = map(string)
}

variable "network" {
  description = "Network in which the server has its private address."
  type        = string
}

variable "database" {
  description = "Name of the database."
  type        = string
}

variable "is_protected" {
  description = "Refuse to delete the server."
  type        = bool
}

variable "settings" {
  description = "What the root module's variable cloud_sql says."
  type = object({
    tier             = string
    database_version = string
    disk_gb          = number
    is_regional      = bool
    address_range    = string
  })

  validation {
    condition     = can(regex("^(10|172|192)\\.[0-9]+\\.[0-9]+\\.0$", var.settings.address_range))
    error_message = "cloud_sql.address_range is the first address of a free private /24, as in 10.30.0.0."
  }

  validation {
    condition     = var.settings.disk_gb >= 10
    error_message = "cloud_sql.disk_gb is at least 10."
  }
}

variable "kms_key" {
  description = "Key that encrypts the server's disks; null leaves it to Google's own keys."
  type        = string
  default     = null
}

variable "kms_is_ready" {
  description = "Grants on that key, which have to come first."
  type        = list(string)
  default     = []
}
