mock_provider "google" {
  mock_data "google_project" {
    defaults = { number = "123456789012" }
  }
}

variables {
  project     = "credix-test"
  environment = "dev"
  image       = "southamerica-east1-docker.pkg.dev/credix-test/credix-dev/workbook:1"
  buckets     = { lake = "t-lake", archive = "t-archive", report = "t-report", runs = "t-runs" }
  postgres    = { host = "10.0.0.3", db = "credit", user = "reader" }
}

run "the_lines_of_the_log_are_counted_and_measured" {
  command = plan

  assert {
    condition     = toset(keys(google_logging_metric.runs)) == toset(["all_runs", "ended_runs", "failed_runs", "errors", "warnings"])
    error_message = "Runs by their end, lines by their severity."
  }
  assert {
    condition     = alltrue([for metric in google_logging_metric.runs : strcontains(metric.filter, "^credix-dev-") && strcontains(metric.filter, "cloud_run_job")])
    error_message = "Of this environment's jobs only."
  }
  assert {
    condition     = google_logging_metric.steps["bytes_processed"].value_extractor == "EXTRACT(jsonPayload.bytes_processed)"
    error_message = "What a step has BigQuery read is measured."
  }
}

run "everybody_who_is_named_is_told" {
  command = plan

  variables {
    notification_channels = ["projects/credix-test/notificationChannels/42", "projects/credix-test/notificationChannels/43"]
  }

  assert {
    condition = alltrue([
      for policy in concat([
        google_monitoring_alert_policy.failed_runs, google_monitoring_alert_policy.silence, google_monitoring_alert_policy.rights,
      ], values(google_monitoring_alert_policy.budget_burns)) : length(policy.notification_channels) == 2
    ])
    error_message = "Every alert goes to every channel."
  }
}

run "a_change_of_rights_is_watched_by_a_condition_for_each_type_of_resource" {
  command = plan

  assert {
    condition = length(google_monitoring_alert_policy.rights.conditions) == 5 && alltrue([
      for condition in google_monitoring_alert_policy.rights.conditions :
      can(regex(" AND resource.type=\"[a-z_]+\"$", one(condition.condition_threshold).filter))
    ])
    error_message = "A condition names one type of resource, never a list."
  }
}

run "error_budgets_are_watched_at_two_paces" {
  command = plan

  assert {
    condition     = toset(keys(google_monitoring_alert_policy.budget_burns)) == toset(["runs fast", "runs slow", "freshness of installments fast", "freshness of installments slow"])
    error_message = "Both objectives, fast and slow."
  }
  assert {
    condition     = google_monitoring_slo.runs.goal == 0.99 && google_monitoring_slo.runs.rolling_period_days == 28
    error_message = "Of a hundred runs one may fail."
  }
  assert {
    condition = (
      google_monitoring_slo.freshness["installments"].slo_id == "freshness-installments"
      && strcontains(one(one(google_monitoring_slo.freshness["installments"].windows_based_sli).metric_sum_in_range).time_series, "one_of(\"installments\",\"full\")")
    )
    error_message = "A run of the source alone counts, and so does one of everything."
  }
}

run "freshness_is_promised_of_each_source_that_is_due_in_every_hour" {
  command = plan

  variables {
    schedules = { full = "0 5 * * *" }
  }

  assert {
    condition     = length(google_monitoring_slo.freshness) == 0 && toset(keys(google_monitoring_alert_policy.budget_burns)) == toset(["runs fast", "runs slow"])
    error_message = "A day's run keeps no promise by the hour."
  }
}

run "a_source_that_is_due_by_the_hour_is_promised_whatever_its_name" {
  command = plan

  variables {
    schedules = { full = "*/10 * * * *", cnpj = "0 * * * *", installments = "15 3 * * *", monitoring = "30 * * * *" }
  }

  assert {
    condition     = toset(keys(google_monitoring_slo.freshness)) == toset(["cnpj"])
    error_message = "A job that is due once a day promises no hour, and one that is of no source alone promises none either."
  }
}

run "money_is_watched_where_a_budget_is_named" {
  command = plan

  variables {
    budget = { billing_account = "0A0B0C-0D0E0F-010203", amount = 500 }
  }

  assert {
    condition     = google_billing_budget.monthly[0].budget_filter[0].projects == toset(["projects/123456789012"])
    error_message = "The budget is this project's."
  }
  assert {
    condition     = toset([for rule in google_billing_budget.monthly[0].threshold_rules : rule.threshold_percent]) == toset([0.5, 0.9, 1.0])
    error_message = "It notifies at 50, 90 and 100 percent."
  }
}
