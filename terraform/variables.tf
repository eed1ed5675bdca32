variable "project" {
  description = "Project that holds everything; GCP_PROJECT of the workbook."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project))
    error_message = "project is the id of a Google Cloud project: 6 to 30 small letters, digits and dashes."
  }
}

variable "environment" {
  description = "CREDIX_ENV of the workbook."
  type        = string

  validation {
    condition     = contains(["dev", "stage", "prod"], var.environment)
    error_message = "environment is dev, stage or prod; local needs no Terraform."
  }
}

variable "region" {
  description = "Region of buckets, datasets and jobs; CREDIX_BIGQUERY_LOCATION of the workbook."
  type        = string
  default     = "southamerica-east1"

  validation {
    condition     = can(regex("^[a-z]+-[a-z]+[0-9]+$", var.region))
    error_message = "region is a single region such as southamerica-east1: buckets and datasets must lie together."
  }
}

variable "prefix" {
  description = "Prefix of the datasets and first folder in the buckets; CREDIX_PREFIX of the workbook."
  type        = string
  default     = "business_case"

  validation {
    condition     = can(regex("^[a-z][a-z0-9_]{0,60}$", var.prefix))
    error_message = "prefix begins with a small letter and has small letters, digits and underscores only."
  }
}

variable "buckets" {
  description = "Names of the four buckets; bucket names are unique in the world."
  type = object({
    lake    = string
    archive = string
    report  = string
    runs    = string
  })

  validation {
    condition     = length(distinct(values(var.buckets))) == 4
    error_message = "buckets names four buckets, each another one: the archive is write-once and the report may be public."
  }

  validation {
    condition     = alltrue([for name in values(var.buckets) : can(regex("^[a-z0-9][a-z0-9_-]{1,61}[a-z0-9]$", name))])
    error_message = "A bucket's name has 3 to 63 small letters, digits, dashes and underscores."
  }
}

variable "is_report_public" {
  description = "Let everybody read the report bucket, which holds aggregates and table metadata only."
  type        = bool
  default     = false
}

variable "archive_retention_days" {
  description = "Days in which nobody can delete or overwrite what the archive holds. It bounds how soon a person's rows can be erased there."
  type        = number
  default     = 30

  validation {
    condition     = var.archive_retention_days >= 1 && var.archive_retention_days <= 3650
    error_message = "archive_retention_days is between 1 and 3650."
  }
}

variable "archive_deletion_days" {
  description = "Days after which the archive deletes its objects: the term of the retention policy for personal data."
  type        = number
  default     = 1825

  validation {
    condition     = var.archive_deletion_days > var.archive_retention_days
    error_message = "archive_deletion_days must be greater than archive_retention_days: what is retained cannot be deleted."
  }
}

variable "temp_table_hours" {
  description = "Hours after which tables in the temp dataset expire, the reference tables aside; CREDIX_TEMP_TABLE_HOURS of the workbook."
  type        = number
  default     = 24

  validation {
    condition     = var.temp_table_hours >= 1
    error_message = "temp_table_hours is at least 1, the shortest term that BigQuery takes."
  }
}

variable "postgres" {
  description = "The source server, without its password, which is a secret."
  type = object({
    host   = string
    port   = optional(number, 5432)
    db     = string
    user   = string
    schema = optional(string, "oltp")
  })
}

variable "network" {
  description = "Network and subnetwork by which the jobs reach a source server that has no public address."
  type = object({
    network    = string
    subnetwork = string
  })
  default = null
}

variable "image" {
  description = "The workbook's image, by digest or tag; null before the first one was pushed, when no job is made."
  type        = string
  default     = null
}

variable "schedules" {
  description = "When each job of the workbook runs: a cron line, in var.timezone."
  type        = map(string)
  default = {
    installments = "*/5 * * * *"
    cnpj         = "15 3 * * *"
    full         = "0 5 * * *"
    monitoring   = "0 12 * * *"
  }

  validation {
    condition     = alltrue([for job in keys(var.schedules) : contains(["installments", "cnpj", "full", "monitoring"], job)])
    error_message = "schedules names jobs of the workbook: installments, cnpj, full, monitoring."
  }

  validation {
    condition     = alltrue([for line in values(var.schedules) : length(split(" ", line)) == 5])
    error_message = "A schedule is a cron line of five fields, as in \"*/5 * * * *\"."
  }
}

variable "timezone" {
  description = "Time zone of the schedules and of the business day; CREDIX_TIMEZONE of the workbook."
  type        = string
  default     = "America/Sao_Paulo"
}

variable "settings" {
  description = "Other settings of the workbook by variable, such as CREDIX_LATE_MINUTES. No secrets."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for name in keys(var.settings) : can(regex("^CREDIX_[A-Z_]+$", name))])
    error_message = "settings takes variables that begin with CREDIX_; the others have variables of their own."
  }

  validation {
    condition     = alltrue([for name in keys(var.settings) : !can(regex("PASSWORD|API_KEY|WEBHOOK|ALERT_URLS", name))])
    error_message = "A secret does not belong into settings: name it in optional_secrets and add its value to Secret Manager."
  }
}

variable "optional_secrets" {
  description = "Settings of the workbook that come from Secret Manager besides POSTGRES_PASSWORD."
  type        = set(string)
  default     = []

  validation {
    condition = alltrue([for name in var.optional_secrets : contains(
      ["CREDIX_ALERT_URLS", "CREDIX_ELEMENTARY_WEBHOOK", "CREDIX_OPENLINEAGE_API_KEY"], name
    )])
    error_message = "optional_secrets knows CREDIX_ALERT_URLS, CREDIX_ELEMENTARY_WEBHOOK and CREDIX_OPENLINEAGE_API_KEY."
  }
}

variable "analysts" {
  description = "Who reads gold and the report, as group:analysts@example.com."
  type        = set(string)
  default     = []
}

variable "auditors" {
  description = "Who reads the archived runs (notebooks and manifests, no rows) and the page of all runs."
  type        = set(string)
  default     = []
}

variable "alert_emails" {
  description = "Whom Google's own alerts tell: a job that fails, a schedule that stays silent."
  type        = set(string)
  default     = []
}

variable "silent_minutes" {
  description = "Minutes without an ended run after which Google's alert says so."
  type        = number
  default     = 60

  validation {
    condition     = var.silent_minutes >= 10 && var.silent_minutes <= 1410
    error_message = "silent_minutes is between 10 and 1410: Cloud Monitoring watches for silence of less than a day."
  }
}

variable "budget" {
  description = "Billing account and monthly amount, in the account's currency, of which alert_emails are told at 50, 90 and 100 percent."
  type = object({
    billing_account = string
    amount          = number
  })
  default = null
}

variable "kms_key" {
  description = "Key that encrypts datasets, buckets, secrets and images; null leaves it to Google's own keys."
  type        = string
  default     = null

  validation {
    condition     = var.kms_key == null || can(regex("^projects/[^/]+/locations/[^/]+/keyRings/[^/]+/cryptoKeys/[^/]+$", var.kms_key))
    error_message = "kms_key is the full name of a key: projects/P/locations/L/keyRings/R/cryptoKeys/K."
  }
}

variable "github_repository" {
  description = "Repository whose workflows push images and roll them out, as owner/name; null makes no identity for them."
  type        = string
  default     = null

  validation {
    condition     = var.github_repository == null || can(regex("^[A-Za-z0-9-]+/[A-Za-z0-9._-]+$", var.github_repository))
    error_message = "github_repository is written as owner/name."
  }
}
