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

run "every_job_of_the_schedule_runs_its_job_of_the_workbook" {
  command = plan

  assert {
    condition = alltrue([
      for job, made in google_cloud_run_v2_job.workbook :
      join(" ", made.template[0].template[0].containers[0].args) == "run ${job}"
    ])
    error_message = "Each schedule starts the job of its name."
  }
  assert {
    condition     = toset(keys(google_cloud_run_v2_job.workbook)) == toset(["installments", "cnpj", "full", "monitoring"])
    error_message = "There is a job for each of the four schedules."
  }
  assert {
    condition     = google_cloud_scheduler_job.schedule["installments"].schedule == "*/5 * * * *"
    error_message = "Installments are replicated every five minutes."
  }
  assert {
    condition     = local.settings.CREDIX_SCHEDULE == "cnpj=15 3 * * *; full=0 5 * * *; installments=*/5 * * * *; monitoring=0 12 * * *"
    error_message = "The workbook knows when its jobs run, and so when a source is late."
  }
}

run "other_schedules_replace_those_of_the_workbook" {
  command = plan

  variables {
    schedules = { full = "30 7 * * mon-fri" }
  }

  assert {
    condition     = keys(google_cloud_scheduler_job.schedule) == ["full"] && local.settings.CREDIX_SCHEDULE == "full=30 7 * * mon-fri"
    error_message = "Anyone who names schedules names all of them."
  }
}

run "a_job_writes_nowhere_but_into_its_own_memory" {
  command = plan

  assert {
    condition = alltrue([
      for job in google_cloud_run_v2_job.workbook :
      one(job.template[0].template[0].containers[0].volume_mounts).mount_path == "/scratch" &&
      one(one(job.template[0].template[0].volumes).empty_dir).medium == "MEMORY"
    ])
    error_message = "The folder of runs is a bounded volume in memory."
  }
  assert {
    condition     = startswith(local.settings.CREDIX_RUN_DIR, "/scratch/") && strcontains(local.entry, "export CREDIX_RUN_DIR=/tmp/credix/runs")
    error_message = "Runs are in that volume, or in the image's /tmp where its user cannot write to it."
  }
}

run "a_job_runs_as_the_workbook_and_dbt_as_itself" {
  command = plan

  assert {
    condition = alltrue([
      for job in google_cloud_run_v2_job.workbook :
      job.template[0].template[0].service_account == local.by_purpose["workbook"].email
    ])
    error_message = "Jobs have the identity of the workbook."
  }
  assert {
    condition     = local.settings.CREDIX_DBT_IMPERSONATE_SERVICE_ACCOUNT == local.by_purpose["dbt"].email
    error_message = "dbt takes on its own."
  }
}

run "secrets_come_from_secret_manager_and_from_nowhere_else" {
  command = plan

  variables {
    optional_secrets = ["CREDIX_ALERT_URLS", "CREDIX_ELEMENTARY_WEBHOOK", "CREDIX_OPENLINEAGE_API_KEY"]
  }

  assert {
    condition = alltrue([
      for job in google_cloud_run_v2_job.workbook : alltrue([
        for env in job.template[0].template[0].containers[0].env :
        length(env.value_source) == 1 if can(regex("PASSWORD|ALERT_URLS|WEBHOOK|API_KEY", env.name))
      ])
    ])
    error_message = "No secret is written into a job."
  }
  assert {
    condition     = !anytrue([for name in keys(local.settings) : can(regex("PASSWORD|ALERT_URLS|WEBHOOK|API_KEY", name))])
    error_message = "No secret is among the outputs."
  }
}

run "other_secrets_are_asked_for_by_name" {
  command = plan

  assert {
    condition     = keys(google_secret_manager_secret.setting) == ["POSTGRES_PASSWORD"]
    error_message = "POSTGRES_PASSWORD alone is always there."
  }
}

run "without_an_image_there_is_no_job_yet" {
  command = plan

  variables {
    image = null
  }

  assert {
    condition     = length(google_cloud_run_v2_job.workbook) == 0 && length(google_cloud_scheduler_job.schedule) == 0
    error_message = "Jobs wait for the first image."
  }
}

run "alerts_go_to_a_topic_where_one_is_asked_for" {
  command = plan

  variables {
    has_alert_topic = true
    operators       = ["group:operators@example.com"]
  }

  assert {
    condition     = local.settings.CREDIX_ALERT_TOPIC == "projects/credix-test/topics/${google_pubsub_topic.alerts[0].name}"
    error_message = "The workbook receives the topic."
  }
  assert {
    condition = {
      for purpose, grant in google_pubsub_topic_iam_member.publisher : purpose => grant.role
    } == { workbook = "roles/pubsub.publisher", operator = "roles/pubsub.publisher" }
    error_message = "Workbook and operator write there and read nothing."
  }
}
