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

run "no_module_is_made_unless_asked_for" {
  command = plan

  assert {
    condition     = length(module.datastream) == 0 && length(module.cloud_sql_source) == 0
    error_message = "Datastream and Cloud SQL are options."
  }
}

run "each_is_made_where_it_is_asked_for" {
  command = plan

  variables {
    network   = { network = "projects/p/global/networks/n", subnetwork = "s" }
    cloud_sql = {}
    datastream = {
      destination       = "bigquery"
      subnet_cidr       = "10.20.0.0/28"
      producer_projects = ["tenant"]
    }
  }

  assert {
    condition     = length(module.datastream) == 1 && length(module.cloud_sql_source) == 1
    error_message = "Both modules are there."
  }
}

run "datastream_writes_into_its_own_folder_and_reads_nothing" {
  command = plan

  module {
    source = "./modules/datastream"
  }

  variables {
    name        = "credix-dev"
    region      = "southamerica-east1"
    labels      = {}
    network     = "projects/p/global/networks/n"
    source_host = "10.0.0.3"
    postgres    = { port = 5432, db = "credit" }
    tables      = { installments = { schema = "oltp", table = "business_case_installments" } }
    lake        = "t-lake"
    folder      = "business_case/datastream"
    dataset     = "business_case_datastream"
    agent       = "service-1@gcp-sa-datastream.iam.gserviceaccount.com"
    settings = {
      destination         = "landing"
      subnet_cidr         = "10.20.0.0/28"
      producer_projects   = ["tenant"]
      publication         = "credix_datastream"
      replication_slot    = "credix_datastream"
      user                = "credix_datastream"
      freshness_seconds   = 900
      is_running          = false
      file_rotation_mb    = 128
      file_rotation_every = 60
    }
  }

  assert {
    condition     = google_storage_bucket_iam_member.writes[0].role == "roles/storage.objectCreator" && strcontains(google_storage_bucket_iam_member.writes[0].condition[0].expression, "objects/business_case/datastream/")
    error_message = "It creates files below its own folder: neither state nor landing is open to it."
  }
  assert {
    condition     = length(google_bigquery_dataset.mirror) == 0
    error_message = "There is no dataset that no one fills."
  }
  assert {
    condition     = google_datastream_connection_profile.source.postgresql_profile[0].password == null
    error_message = "The password is in Secret Manager, not in the state."
  }
  assert {
    condition     = google_compute_network_attachment.datastream.connection_preference == "ACCEPT_MANUAL"
    error_message = "No one else joins the network."
  }
  assert {
    condition     = google_compute_firewall.to_source.destination_ranges == toset(["10.0.0.3/32"]) && length(google_compute_firewall.nowhere_else.deny) == 1
    error_message = "From there the source alone can be reached."
  }
  assert {
    condition     = google_datastream_stream.changes.desired_state == "NOT_STARTED"
    error_message = "It starts when its slot and password are there."
  }
}

run "datastream_into_a_dataset_of_its_own" {
  command = plan

  module {
    source = "./modules/datastream"
  }

  variables {
    name        = "credix-dev"
    region      = "southamerica-east1"
    labels      = {}
    network     = "projects/p/global/networks/n"
    source_host = "10.0.0.3"
    postgres    = { port = 5432, db = "credit" }
    tables      = { installments = { schema = "oltp", table = "business_case_installments" } }
    lake        = "t-lake"
    folder      = "business_case/datastream"
    dataset     = "business_case_datastream"
    agent       = "service-1@gcp-sa-datastream.iam.gserviceaccount.com"
    settings = {
      destination         = "bigquery"
      subnet_cidr         = "10.20.0.0/28"
      producer_projects   = ["tenant"]
      publication         = "credix_datastream"
      replication_slot    = "credix_datastream"
      user                = "credix_datastream"
      freshness_seconds   = 900
      is_running          = true
      file_rotation_mb    = 128
      file_rotation_every = 60
    }
  }

  assert {
    condition = toset([
      for access in google_bigquery_dataset.mirror[0].access : "${access.role} ${coalesce(access.special_group, access.user_by_email)}"
    ]) == toset(["OWNER projectOwners", "WRITER service-1@gcp-sa-datastream.iam.gserviceaccount.com"])
    error_message = "Datastream writes it, the project's owners read it."
  }
  assert {
    condition     = length(google_storage_bucket_iam_member.writes) == 0
    error_message = "It has no business in the lake then."
  }
}

run "a_source_of_ones_own_has_no_public_address_and_no_password_here" {
  command = plan

  module {
    source = "./modules/cloud_sql_source"
  }

  variables {
    name         = "credix-prod"
    region       = "southamerica-east1"
    labels       = {}
    network      = "projects/p/global/networks/n"
    database     = "credit"
    is_protected = true
    settings = {
      tier = "db-custom-2-8192", database_version = "POSTGRES_17", disk_gb = 50, is_regional = true, address_range = "10.30.0.0"
    }
  }

  assert {
    condition = alltrue([
      google_sql_database_instance.source.settings[0].ip_configuration[0].ipv4_enabled == false,
      google_sql_database_instance.source.settings[0].ip_configuration[0].ssl_mode == "ENCRYPTED_ONLY",
      google_sql_database_instance.source.root_password == null,
      google_sql_database_instance.source.deletion_protection,
    ])
    error_message = "Private, encrypted, protected; passwords are given by hand."
  }
  assert {
    condition = {
      for flag in google_sql_database_instance.source.settings[0].database_flags : flag.name => flag.value
      if contains(["cloudsql.logical_decoding", "log_statement"], flag.name)
    } == { "cloudsql.logical_decoding" = "on", "log_statement" = "none" }
    error_message = "Its log can be replicated, and quotes no statement."
  }
}
