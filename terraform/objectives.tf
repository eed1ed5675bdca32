# What is promised, and what is left of it: docs/explanation/production.md says what to do when an error budget burns.
locals {
  service = google_monitoring_custom_service.workbook
  # Jobs of a source alone that are due in every hour; a job that is due once a day cannot promise an hour.
  hourly = toset([for job in keys(local.own_jobs) : job if can(regex("^\\S+ (\\*|\\*/1) \\* \\* \\*$", try(local.jobs[job], "")))])
  # Share of the budget of 28 days that may go in a window before people are notified: 2 % in an hour, 10 % in three days.
  burns = {
    fast = { window = "3600s", rate = 0.02 * 28 * 24, severity = "CRITICAL" }
    slow = { window = "259200s", rate = 0.10 * 28 / 3, severity = "WARNING" }
  }
  objectives = merge(
    { runs = google_monitoring_slo.runs.name },
    { for job, objective in google_monitoring_slo.freshness : "freshness of ${job}" => objective.name },
  )
}

resource "google_monitoring_custom_service" "workbook" {
  service_id   = local.name
  display_name = "Credix ${var.environment}"
  user_labels  = local.labels
}

resource "google_monitoring_slo" "runs" {
  service             = local.service.service_id
  slo_id              = "runs"
  display_name        = "Runs that end well"
  goal                = var.objectives.runs
  rolling_period_days = 28
  user_labels         = local.labels

  request_based_sli {
    good_total_ratio {
      good_service_filter  = "metric.type=\"logging.googleapis.com/user/${google_logging_metric.runs["ended_runs"].name}\" resource.type=\"cloud_run_job\""
      total_service_filter = "metric.type=\"logging.googleapis.com/user/${google_logging_metric.runs["all_runs"].name}\" resource.type=\"cloud_run_job\""
    }
  }
}

# An hour is good when at least one run of the job, or of everything, has ended well in it.
resource "google_monitoring_slo" "freshness" {
  for_each = local.hourly

  service             = local.service.service_id
  slo_id              = "freshness-${replace(each.key, "_", "-")}"
  display_name        = "Hours in which ${each.key} was replicated"
  goal                = var.objectives.freshness
  rolling_period_days = 28
  user_labels         = local.labels

  windows_based_sli {
    window_period = "3600s"
    metric_sum_in_range {
      time_series = "metric.type=\"logging.googleapis.com/user/${google_logging_metric.runs["ended_runs"].name}\" resource.type=\"cloud_run_job\" metric.labels.job=one_of(\"${each.key}\",\"full\")"
      range {
        min = 1
        max = 1000000
      }
    }
  }
}

resource "google_monitoring_alert_policy" "budget_burns" {
  for_each = {
    for pair in setproduct(concat(["runs"], [for job in local.hourly : "freshness of ${job}"]), keys(local.burns)) :
    "${pair[0]} ${pair[1]}" => merge(local.burns[pair[1]], { objective = pair[0] })
  }

  display_name          = "Credix ${var.environment}: the error budget of ${each.key} burns"
  severity              = each.value.severity
  combiner              = "OR"
  notification_channels = local.channels
  user_labels           = local.labels

  conditions {
    display_name = "faster than ${format("%.1f", each.value.rate)} times what 28 days allow"
    condition_threshold {
      filter          = "select_slo_burn_rate(\"${local.objectives[each.value.objective]}\", \"${each.value.window}\")"
      comparison      = "COMPARISON_GT"
      threshold_value = each.value.rate
      duration        = "0s"
    }
  }

  documentation {
    content = "docs/explanation/production.md, Error budget: what to do at which pace, and what stops when nothing is left."
  }
}
