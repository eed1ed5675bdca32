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

run "no_server_of_pages_unless_readers_are_named" {
  command = plan

  assert {
    condition     = length(google_cloud_run_v2_service.pages) == 0 && !contains(keys(google_service_account.purpose), "pages")
    error_message = "Addresses lead to the console."
  }
  assert {
    condition     = !contains(keys(local.settings), "CREDIX_PAGES_URL") && output.pages == null
    error_message = "The workbook receives no server address."
  }
}

run "people_log_in_and_the_proxy_alone_invokes" {
  command = plan

  variables {
    pages = { readers = ["group:data@example.com", "user:a@example.com"] }
  }

  assert {
    condition     = google_cloud_run_v2_service.pages[0].iap_enabled && !google_cloud_run_v2_service.pages[0].invoker_iam_disabled
    error_message = "Identity-Aware Proxy is in front of it."
  }
  assert {
    condition = google_cloud_run_v2_service_iam_binding.pages[0].members == toset([
      "serviceAccount:service-123456789012@gcp-sa-iap.iam.gserviceaccount.com"
    ])
    error_message = "No one gets past the proxy."
  }
  assert {
    condition = jsondecode(google_iap_web_cloud_run_service_iam_policy.pages[0].policy_data) == {
      bindings = [{ role = "roles/iap.httpsResourceAccessor", members = ["group:data@example.com", "user:a@example.com"] }]
    }
    error_message = "Those who are named log in, and no others."
  }
  assert {
    condition     = local.settings.CREDIX_PAGES_URL == "https://credix-dev-pages-123456789012.southamerica-east1.run.app"
    error_message = "Alerts and reports lead to it."
  }
}

run "it_reads_pages_and_nothing_else" {
  command = plan

  variables {
    pages = { readers = ["group:data@example.com"] }
  }

  assert {
    condition = {
      for grant in google_storage_bucket_iam_member.pages : grant.bucket => "${grant.role} ${grant.condition[0].expression}"
      } == {
      t-report  = "roles/storage.objectViewer resource.name.startsWith(\"projects/_/buckets/t-report/objects/business_case/\")"
      t-runs    = "roles/storage.objectViewer resource.name.startsWith(\"projects/_/buckets/t-runs/objects/business_case/\")"
      t-archive = "roles/storage.objectViewer resource.name.startsWith(\"projects/_/buckets/t-archive/objects/business_case/runs/\")"
    }
    error_message = "The Parquet files of the archive stay closed to it, and the lake too."
  }
  assert {
    condition     = google_cloud_run_v2_service.pages[0].template[0].service_account == local.by_purpose["pages"].email
    error_message = "It has an identity of its own."
  }
  assert {
    condition = alltrue([
      for grants in [google_project_iam_member.purpose, google_storage_bucket_iam_member.purpose] :
      !anytrue([for name, grant in grants : startswith(name, "pages")])
    ])
    error_message = "That identity has no other right."
  }
  assert {
    condition     = slice(google_cloud_run_v2_service.pages[0].template[0].containers[0].args, 2, 5) == tolist(["t-archive/business_case/runs/", "t-report/business_case/", "t-runs/business_case/"])
    error_message = "It is configured to serve what it may read."
  }
  assert {
    condition     = alltrue([for env in google_cloud_run_v2_service.pages[0].template[0].containers[0].env : length(env.value_source) == 0])
    error_message = "It knows no secret."
  }
}

run "without_an_image_there_is_no_server_yet" {
  command = plan

  variables {
    image = null
    pages = { readers = ["group:data@example.com"] }
  }

  assert {
    condition     = length(google_cloud_run_v2_service.pages) == 0
    error_message = "It serves from the workbook's image."
  }
}
