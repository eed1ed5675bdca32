# The workbook tells of its incidents itself (docs/alerts.md). Google tells what it cannot: that a job dies before
# it can speak, and that none runs at all.
resource "google_monitoring_notification_channel" "email" {
  for_each = var.alert_emails

  display_name = "Credix ${var.environment}: ${each.value}"
  type         = "email"
  labels       = { email_address = each.value }
}

locals {
  log_of_jobs = "resource.type=\"cloud_run_job\" AND resource.labels.job_name=~\"^${local.name}-\""
  metrics = {
    failed_runs = "${local.log_of_jobs} AND jsonPayload.event=\"run_finished\" AND jsonPayload.status=\"failed\""
    ended_runs  = "${local.log_of_jobs} AND jsonPayload.event=\"run_finished\" AND jsonPayload.status!=\"failed\""
  }
}

resource "google_logging_metric" "runs" {
  for_each = local.metrics

  name        = "${local.name}/${each.key}"
  description = "Runs of the workbook, by their line of JSON."
  filter      = each.value

  metric_descriptor {
    metric_kind = "DELTA"
    value_type  = "INT64"
    unit        = "1"
  }
}

resource "google_monitoring_alert_policy" "failed_runs" {
  display_name          = "Credix ${var.environment}: a run failed"
  combiner              = "OR"
  notification_channels = [for channel in google_monitoring_notification_channel.email : channel.id]
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

  conditions {
    display_name = "a job ended badly, whatever it said"
    condition_threshold {
      filter          = "resource.type=\"cloud_run_job\" AND resource.labels.job_name=starts_with(\"${local.name}-\") AND metric.type=\"run.googleapis.com/job/completed_execution_count\" AND metric.labels.result=\"failed\""
      comparison      = "COMPARISON_GT"
      threshold_value = 0
      duration        = "0s"
      aggregations {
        alignment_period   = "300s"
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
  combiner              = "OR"
  notification_channels = [for channel in google_monitoring_notification_channel.email : channel.id]
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
    content = "Look at Cloud Scheduler and at the last executions of the jobs: nothing tells of a run that never starts."
  }
}

resource "google_billing_budget" "monthly" {
  count = var.budget == null ? 0 : 1

  billing_account = var.budget.billing_account
  display_name    = "Credix ${var.environment}"

  budget_filter {
    projects = ["projects/${var.project}"]
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

  all_updates_rule {
    monitoring_notification_channels = [for channel in google_monitoring_notification_channel.email : channel.id]
  }
}
