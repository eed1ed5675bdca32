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
    error_message = "region is a single region such as southamerica-east1: buckets and datasets must be together."
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
  description = "Days in which no one can delete or overwrite what the archive holds. It bounds how soon a person's rows can be erased there."
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

variable "is_archive_locked" {
  description = "Lock the retention of the archive: no one can shorten it afterwards, Google's support neither. It cannot be undone."
  type        = bool
  default     = false
}

variable "soft_delete_days" {
  description = "Days in which a deleted object can still be restored; 0 for none. It delays the erasure of a person's rows by as much."
  type        = number
  default     = 7

  validation {
    condition     = var.soft_delete_days == 0 || (var.soft_delete_days >= 7 && var.soft_delete_days <= 90)
    error_message = "soft_delete_days is 0, or between 7 and 90: Cloud Storage takes no other."
  }
}

variable "failed_deletion_days" {
  description = "Days after which refused and orphaned files, and what sandboxes have left in the lake, are deleted: they hold rows."
  type        = number
  default     = 30

  validation {
    condition     = var.failed_deletion_days >= 1 && var.failed_deletion_days <= 365
    error_message = "failed_deletion_days is between 1 and 365."
  }
}

variable "report_deletion_days" {
  description = "Days after which the reports of single runs are deleted; the newest one is rewritten by each run."
  type        = number
  default     = 400

  validation {
    condition     = var.report_deletion_days > 90
    error_message = "report_deletion_days is greater than 90: that is when reports go to a colder class."
  }
}

variable "temp_table_hours" {
  description = "Hours after which tables in the temp dataset expire, the reference tables aside, and those of Elementary's monitors; CREDIX_TEMP_TABLE_HOURS of the workbook."
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
    host        = string
    port        = optional(number, 5432)
    db          = string
    user        = string
    schema      = optional(string, "oltp")
    sslmode     = optional(string, "require")
    sslrootcert = optional(string)
  })

  validation {
    condition     = contains(["require", "verify-ca", "verify-full"], var.postgres.sslmode) && (var.postgres.sslmode == "require" || var.postgres.sslrootcert != null)
    error_message = "postgres.sslmode is require, verify-ca or verify-full: rows do not travel in clear text. The last two need sslrootcert: a file of the image, or \"system\"."
  }

  validation {
    condition     = var.postgres.port >= 1 && var.postgres.port <= 65535 && !strcontains(var.postgres.host, "/") && !strcontains(var.postgres.host, "@")
    error_message = "postgres names a host by name or address, without user or scheme, and a port between 1 and 65535."
  }

  validation {
    condition     = !contains(["postgres", "cloudsqlsuperuser", "root"], var.postgres.user)
    error_message = "postgres.user is a role that may read the source tables and no more: not the server's superuser."
  }
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

  validation {
    condition     = var.image == null || var.environment == "dev" || can(regex("@sha256:[0-9a-f]{64}$", var.image))
    error_message = "image names what stage and prod run by its digest, as in …/workbook@sha256:…: a tag says nothing of what was tested."
  }

  validation {
    condition     = var.image == null || !can(regex(":latest$", var.image))
    error_message = "image names a version: what latest is, changes."
  }
}

variable "schedules" {
  description = "When each job of the workbook runs: a cron line, in var.timezone; null for those of lib/contracts."
  type        = map(string)
  default     = null

  validation {
    condition     = alltrue([for job in keys(var.schedules == null ? {} : var.schedules) : contains(keys(local.all_jobs), job)])
    error_message = "schedules names jobs of the workbook: ${join(", ", keys(local.all_jobs))}."
  }

  # The workbook reads these lines too, to know when a source is late, and takes no other.
  validation {
    condition     = alltrue([for line in values(var.schedules == null ? {} : var.schedules) : can(regex("^\\S+ \\S+ \\S+ \\S+ [a-z*][a-z,*/0-9-]*$", line)) && !can(regex("^\\S+ \\S+ [^*]\\S* \\S+ [^*]", line))])
    error_message = "A schedule is a cron line of five fields, as in \"30 7 * * mon-fri\", with names for weekdays, and with days of the month or weekdays, not both."
  }
}

variable "job" {
  description = "What each Cloud Run job gets. tmp is part of the memory; the Parquet parts of a slice are there."
  type = object({
    cpu             = optional(string, "2")
    memory          = optional(string, "4Gi")
    tmp             = optional(string, "2Gi")
    timeout_seconds = optional(number, 3600)
  })
  default = {}

  validation {
    condition     = var.job.timeout_seconds >= 60 && var.job.timeout_seconds <= 86400
    error_message = "job.timeout_seconds is between 60 and 86400: Cloud Run ends a task after a day."
  }

  validation {
    condition     = alltrue([for size in [var.job.memory, var.job.tmp] : can(regex("^[0-9]+(Mi|Gi)$", size))])
    error_message = "job.memory and job.tmp are sizes such as 512Mi or 4Gi."
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

  validation {
    condition     = alltrue([for one in var.analysts : can(regex("^(user|group|serviceAccount):[^@\\s]+@[^@\\s]+$", one))])
    error_message = "analysts are single people, groups or service accounts, as in group:analysts@example.com; never allUsers or a whole domain."
  }
}

variable "auditors" {
  description = "Who reads the archived runs (notebooks and manifests, no rows) and the page of all runs."
  type        = set(string)
  default     = []

  validation {
    condition     = alltrue([for one in var.auditors : can(regex("^(user|group|serviceAccount):[^@\\s]+@[^@\\s]+$", one))])
    error_message = "auditors are single people, groups or service accounts, as in group:auditors@example.com; never allUsers or a whole domain."
  }
}

variable "operators" {
  description = "Who may take on the identity for repairs: it writes to all datasets and deletes in the archive what is no longer retained."
  type        = set(string)
  default     = []

  validation {
    condition     = alltrue([for one in var.operators : can(regex("^(user|group|serviceAccount):[^@\\s]+@[^@\\s]+$", one))])
    error_message = "operators are single people, groups or service accounts, as in group:operators@example.com; never allUsers or a whole domain."
  }
}

variable "dashboards" {
  description = "Who may take on the identity that reads gold and nothing else, for BI tools; as serviceAccount:…."
  type        = set(string)
  default     = []

  validation {
    condition     = alltrue([for one in var.dashboards : can(regex("^(user|group|serviceAccount):[^@\\s]+@[^@\\s]+$", one))])
    error_message = "dashboards are single people, groups or service accounts, as in group:dashboards@example.com; never allUsers or a whole domain."
  }
}

variable "pages" {
  description = "Who reads reports, the page of all runs and archived notebooks in a browser, after a login; null makes no server of pages, and addresses lead to the console."
  type = object({
    readers = set(string)
  })
  default = null

  validation {
    condition     = var.pages == null || try(length(var.pages.readers) > 0 && alltrue([for one in var.pages.readers : can(regex("^(user|group|serviceAccount):[^@\\s]+@[^@\\s]+$", one))]), false)
    error_message = "pages.readers are single people, groups or service accounts, as in group:data@example.com; never allUsers or a whole domain."
  }
}

variable "writers" {
  description = "Who puts files below landing/external in the lake, such as a job of Dataflow; as serviceAccount:…."
  type        = set(string)
  default     = []

  validation {
    condition     = alltrue([for one in var.writers : can(regex("^(user|group|serviceAccount):[^@\\s]+@[^@\\s]+$", one))])
    error_message = "writers are single people, groups or service accounts, as in serviceAccount:carrier@p.iam.gserviceaccount.com."
  }
}

variable "alert_emails" {
  description = "Whom Google's own alerts notify: a job that fails, a schedule that stays silent, an error budget that burns."
  type        = set(string)
  default     = []

  validation {
    condition     = alltrue([for address in var.alert_emails : can(regex("^[^@\\s]+@[^@\\s]+$", address))])
    error_message = "alert_emails are addresses such as on-call@example.com."
  }
}

variable "notification_channels" {
  description = "Channels of Cloud Monitoring that exist already, by their full name: those of Slack or PagerDuty hold a token, which would be in the state."
  type        = set(string)
  default     = []

  validation {
    condition     = alltrue([for name in var.notification_channels : can(regex("^projects/[^/]+/notificationChannels/[0-9]+$", name))])
    error_message = "notification_channels are full names: projects/P/notificationChannels/N."
  }
}

variable "has_alert_topic" {
  description = "Make a Pub/Sub topic to which the workbook sends its alerts; CREDIX_ALERT_TOPIC of the workbook."
  type        = bool
  default     = false
}

variable "audits_data_access" {
  description = "Log every read and write of objects and secrets, with who did it. These settings are of the whole project."
  type        = bool
  default     = true
}

variable "objectives" {
  description = "Share of runs that end well, and of hours in which a source that is due in each of them was replicated, over 28 days."
  type = object({
    runs      = optional(number, 0.99)
    freshness = optional(number, 0.99)
  })
  default = {}

  validation {
    condition     = alltrue([for goal in values(var.objectives) : goal > 0.5 && goal <= 0.9999])
    error_message = "objectives are shares between 0.5 and 0.9999: one of 1 leaves no budget for errors."
  }
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
  description = "Billing account and monthly amount, in the account's currency, of which alert_emails are notified at 50, 90 and 100 percent."
  type = object({
    billing_account = string
    amount          = number
  })
  default = null

  validation {
    condition     = var.budget == null || (can(regex("^[0-9A-F]{6}-[0-9A-F]{6}-[0-9A-F]{6}$", var.budget.billing_account)) && try(var.budget.amount >= 1, false))
    error_message = "budget names a billing account as 0X0X0X-0X0X0X-0X0X0X and an amount of 1 or more."
  }
}

variable "kms_key" {
  description = "Key, in the same region, that encrypts datasets, buckets, secrets, images and jobs; null leaves it to Google's own keys."
  type        = string
  default     = null

  validation {
    condition     = var.kms_key == null || can(regex("^projects/[^/]+/locations/[^/]+/keyRings/[^/]+/cryptoKeys/[^/]+$", var.kms_key))
    error_message = "kms_key is the full name of a key: projects/P/locations/L/keyRings/R/cryptoKeys/K."
  }

  validation {
    condition     = var.kms_key == null || strcontains(coalesce(var.kms_key, "-"), "/locations/${var.region}/")
    error_message = "kms_key is in the region of what it encrypts."
  }
}

variable "image_readers" {
  description = "Who else pulls images from here: the pushers of the environments that images are copied to, as serviceAccount:…."
  type        = set(string)
  default     = []

  validation {
    condition     = alltrue([for one in var.image_readers : can(regex("^serviceAccount:[^@\\s]+@[^@\\s]+$", one))])
    error_message = "image_readers are service accounts, as in serviceAccount:credix-prod-pusher@p.iam.gserviceaccount.com."
  }
}

variable "github_repository" {
  description = "Repository whose workflows plan, apply and push images, as owner/name; null makes no identity for them."
  type        = string
  default     = null

  validation {
    condition     = var.github_repository == null || can(regex("^[A-Za-z0-9-]+/[A-Za-z0-9._-]+$", var.github_repository))
    error_message = "github_repository is written as owner/name."
  }
}

variable "github_owner_id" {
  description = "Number of the repository's owner (gh api users/OWNER --jq .id): a name can be taken over by someone else, its number cannot."
  type        = string
  default     = null

  validation {
    condition     = (var.github_owner_id == null) == (var.github_repository == null)
    error_message = "github_owner_id and github_repository go together."
  }

  validation {
    condition     = var.github_owner_id == null || can(regex("^[0-9]+$", var.github_owner_id))
    error_message = "github_owner_id is a number."
  }
}

variable "state_bucket" {
  description = "Bucket of Terraform's state, which workflows that plan read and those that apply write; needed with github_repository."
  type        = string
  default     = null

  validation {
    condition     = var.github_repository == null || var.state_bucket != null
    error_message = "state_bucket is the bucket in environments/<env>.backend.hcl: workflows need it."
  }

  validation {
    condition     = !contains(values(var.buckets), coalesce(var.state_bucket, "-"))
    error_message = "state_bucket is a bucket of its own: who reads data has no business with Terraform's state."
  }
}

variable "datastream" {
  description = "Datastream beside or instead of the workbook's own capture: into Cloud Storage (landing) or a BigQuery dataset of its own; null makes none."
  type = object({
    destination         = string
    subnet_cidr         = string
    producer_projects   = set(string)
    publication         = optional(string, "credix_datastream")
    replication_slot    = optional(string, "credix_datastream")
    user                = optional(string, "credix_datastream")
    freshness_seconds   = optional(number, 900)
    is_running          = optional(bool, false)
    file_rotation_mb    = optional(number, 128)
    file_rotation_every = optional(number, 60)
  })
  default = null

  validation {
    condition     = var.datastream == null || contains(["landing", "bigquery"], try(var.datastream.destination, ""))
    error_message = "datastream.destination is landing or bigquery."
  }

  validation {
    condition     = var.datastream == null || var.network != null
    error_message = "datastream reaches the source through var.network: name it."
  }
}

variable "cloud_sql" {
  description = "A PostgreSQL of Cloud SQL as source, without a public address; null where the source exists already."
  type = object({
    tier             = optional(string, "db-custom-2-8192")
    database_version = optional(string, "POSTGRES_17")
    disk_gb          = optional(number, 50)
    is_regional      = optional(bool, true)
    address_range    = optional(string, "10.30.0.0")
  })
  default = null

  validation {
    condition     = var.cloud_sql == null || var.network != null
    error_message = "cloud_sql has a private address in var.network: name it."
  }

  validation {
    condition     = var.cloud_sql == null || can(regex("^POSTGRES_1[4-9]$", try(var.cloud_sql.database_version, "")))
    error_message = "cloud_sql.database_version is POSTGRES_14 or newer."
  }
}
