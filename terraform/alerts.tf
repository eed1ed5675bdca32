# The workbook reports its incidents itself (docs/how-to/alerts.md). Google reports what it cannot: that a job dies before
# it can speak, and that none runs at all.
resource "google_monitoring_notification_channel" "email" {
  for_each = var.alert_emails

  display_name = "Credix ${var.environment}: ${each.value}"
  type         = "email"
  labels       = { email_address = each.value }
}

locals {
  channels = setunion(
    [for channel in google_monitoring_notification_channel.email : channel.id],
    var.notification_channels,
  )
  log_of_jobs = "resource.type=\"cloud_run_job\" AND resource.labels.job_name=~\"^${local.name}-\""

  # The lines of JSON that a run writes (lib/credix/cli/json_log.py), counted by what they report.
  counted = {
    failed_runs = "jsonPayload.event=\"run_finished\" AND jsonPayload.status=\"failed\""
    ended_runs  = "jsonPayload.event=\"run_finished\" AND jsonPayload.status!=\"failed\""
    all_runs    = "jsonPayload.event=\"run_finished\""
    errors      = "severity>=ERROR AND jsonPayload.run_id:*"
    warnings    = "severity=WARNING AND jsonPayload.run_id:*"
  }
  # The same, measured: how long a step takes, how much BigQuery reads for it.
  measured = {
    step_milliseconds = { field = "milliseconds", unit = "ms" }
    bytes_processed   = { field = "bytes_processed", unit = "By" }
  }
}

resource "google_logging_metric" "runs" {
  for_each = local.counted

  name             = "${local.name}/${each.key}"
  description      = "Lines of the workbook's log: ${each.key}."
  filter           = "${local.log_of_jobs} AND ${each.value}"
  label_extractors = { job = "EXTRACT(labels.job)" }

  metric_descriptor {
    metric_kind = "DELTA"
    value_type  = "INT64"
    unit        = "1"
    labels {
      key = "job"
    }
  }
}

resource "google_logging_metric" "steps" {
  for_each = local.measured

  name             = "${local.name}/${each.key}"
  description      = "Of each step of a run: ${each.key}."
  filter           = "${local.log_of_jobs} AND jsonPayload.event=\"step_finished\" AND jsonPayload.${each.value.field}:*"
  value_extractor  = "EXTRACT(jsonPayload.${each.value.field})"
  label_extractors = { step = "EXTRACT(jsonPayload.step)", source = "EXTRACT(jsonPayload.source)" }

  metric_descriptor {
    metric_kind = "DELTA"
    value_type  = "DISTRIBUTION"
    unit        = each.value.unit
    labels {
      key = "step"
    }
    labels {
      key = "source"
    }
  }

  bucket_options {
    exponential_buckets {
      num_finite_buckets = 40
      growth_factor      = 2
      scale              = 1
    }
  }
}

resource "google_monitoring_alert_policy" "failed_runs" {
  display_name          = "Credix ${var.environment}: a run failed"
  severity              = "ERROR"
  combiner              = "OR"
  notification_channels = local.channels
  user_labels           = local.labels

  conditions {
    display_name = "a run said that it failed"
    condition_threshold {
      filter          = "resource.type=\"cloud_run_job\" AND metric.type=\"logging.googleapis.com/user/${google_logging_metric.runs["failed_runs"].name}\""
      comparison      = "COMPARISON_GT"
      threshold_value = 0
      duration        = "0s"
      aggregations {
        alignment_period   = "300s"
        per_series_aligner = "ALIGN_SUM"
      }
    }
  }

  # One whose source another run holds waits, and ends with exit code 3 after CREDIX_SOURCE_WAIT_SECONDS; several in an hour are a fault.
  conditions {
    display_name = "executions ended badly, whatever they said"
    condition_threshold {
      filter          = "resource.type=\"cloud_run_job\" AND resource.labels.job_name=starts_with(\"${local.name}-\") AND metric.type=\"run.googleapis.com/job/completed_execution_count\" AND metric.labels.result=\"failed\""
      comparison      = "COMPARISON_GT"
      threshold_value = 3
      duration        = "0s"
      aggregations {
        alignment_period   = "3600s"
        per_series_aligner = "ALIGN_SUM"
      }
    }
  }

  documentation {
    content = "Open the page of all runs (./run_pipeline.py runs --open) at the failed cell. A run is safe to start again."
  }
}

resource "google_monitoring_alert_policy" "silence" {
  display_name          = "Credix ${var.environment}: no run ends"
  severity              = "CRITICAL"
  combiner              = "OR"
  notification_channels = local.channels
  user_labels           = local.labels

  conditions {
    display_name = "no run has ended well for ${var.silent_minutes} minutes"
    condition_absent {
      filter   = "resource.type=\"cloud_run_job\" AND metric.type=\"logging.googleapis.com/user/${google_logging_metric.runs["ended_runs"].name}\""
      duration = "${var.silent_minutes * 60}s"
      aggregations {
        alignment_period   = "300s"
        per_series_aligner = "ALIGN_SUM"
      }
    }
  }

  documentation {
    content = "Look at Cloud Scheduler and at the last executions of the jobs: nothing reports a run that never starts."
  }
}

# Rights and keys are changed by Terraform and seldom. Anyone who gets an alert about an unknown change looks who did it.
resource "google_logging_metric" "rights" {
  name        = "${local.name}/rights_changed"
  description = "Changes of who may do what: policies, keys of service accounts."
  filter = join(" AND ", [
    "log_id(\"cloudaudit.googleapis.com/activity\")",
    "protoPayload.methodName=~\"(?i)setiampolicy|setiampermissions|createserviceaccountkey|dataset(service)?\\.(update|patch)\"",
  ])

  metric_descriptor {
    metric_kind = "DELTA"
    value_type  = "INT64"
    unit        = "1"
  }
}

resource "google_monitoring_alert_policy" "rights" {
  display_name          = "Credix ${var.environment}: rights have changed"
  severity              = "WARNING"
  combiner              = "OR"
  notification_channels = local.channels
  user_labels           = local.labels

  # A condition is of one type of resource; a policy takes six of them.
  dynamic "conditions" {
    for_each = toset(["project", "gcs_bucket", "bigquery_dataset", "service_account", "audited_resource"])
    content {
      display_name = "somebody changed a policy or made a key: ${conditions.value}"
      condition_threshold {
        filter          = "metric.type=\"logging.googleapis.com/user/${google_logging_metric.rights.name}\" AND resource.type=\"${conditions.value}\""
        comparison      = "COMPARISON_GT"
        threshold_value = 0
        duration        = "0s"
        aggregations {
          alignment_period     = "300s"
          per_series_aligner   = "ALIGN_SUM"
          cross_series_reducer = "REDUCE_SUM"
        }
      }
    }
  }

  documentation {
    content = "Audit logs name who it was: log_id(\"cloudaudit.googleapis.com/activity\") in the Logs Explorer. `terraform plan` shows what differs."
  }
}

resource "google_billing_budget" "monthly" {
  count = var.budget == null ? 0 : 1

  billing_account = var.budget.billing_account
  display_name    = "Credix ${var.environment}"

  budget_filter {
    projects = ["projects/${local.number}"]
  }

  amount {
    specified_amount {
      units = tostring(floor(var.budget.amount))
    }
  }

  dynamic "threshold_rules" {
    for_each = [0.5, 0.9, 1.0]
    content {
      threshold_percent = threshold_rules.value
    }
  }

  threshold_rules {
    threshold_percent = 1.0
    spend_basis       = "FORECASTED_SPEND"
  }

  all_updates_rule {
    # It takes five at most.
    monitoring_notification_channels = slice(sort(local.channels), 0, min(5, length(local.channels)))
  }
}
