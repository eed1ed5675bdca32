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

run "datasets_are_named_as_the_workbook_names_them" {
  command = plan

  assert {
    condition = toset([for dataset in google_bigquery_dataset.layer : dataset.dataset_id]) == toset([
      "business_case_temp", "business_case_bronze", "business_case_silver", "business_case_gold",
      "business_case_elementary", "business_case_elementary__tests",
    ])
    error_message = "The datasets are those of CREDIX_PREFIX."
  }
}

run "only_tables_of_temp_and_of_monitors_expire" {
  command = plan

  assert {
    condition = alltrue([
      for layer, dataset in google_bigquery_dataset.layer :
      dataset.default_table_expiration_ms == (contains(["temp", "elementary__tests"], layer) ? 24 * 3600 * 1000 : null)
    ])
    error_message = "A table that is neither a step's nor a monitor's must never expire."
  }
}

run "reference_tables_follow_the_contracts_and_never_expire" {
  command = plan

  assert {
    condition     = toset(keys(google_bigquery_table.reference)) == toset(["cnpj_ws", "installments"])
    error_message = "There is one reference table per contract."
  }
  assert {
    condition = alltrue([
      for table in google_bigquery_table.reference : table.expiration_time > 250000000000000 && table.deletion_protection
    ])
    error_message = "A reference table lives on in a dataset whose tables expire."
  }
  assert {
    condition = slice(
      [for column in jsondecode(google_bigquery_table.reference["installments"].schema) : column.name], 0, 2
    ) == ["asset_id", "invoice_id"]
    error_message = "The columns of the source come first."
  }
  assert {
    condition     = contains([for column in jsondecode(google_bigquery_table.reference["installments"].schema) : column.name], "_seq")
    error_message = "The technical columns follow."
  }
}

run "the_tables_of_the_sources_are_read_from_the_contracts" {
  command = plan

  assert {
    condition = local.tables == {
      cnpj_ws      = { schema = "oltp", table = "business_case_cnpj_ws" }
      installments = { schema = "oltp", table = "business_case_installments" }
    }
    error_message = "sources.yml names the tables."
  }
}
