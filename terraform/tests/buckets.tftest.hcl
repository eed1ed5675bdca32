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

run "nothing_is_public_unless_asked_for" {
  command = plan

  assert {
    condition     = alltrue([for bucket in google_storage_bucket.store : bucket.public_access_prevention == "enforced"])
    error_message = "Every bucket refuses public access."
  }
  assert {
    condition     = alltrue([for binding in google_storage_bucket_iam_binding.owners_only : !contains(binding.members, "allUsers")])
    error_message = "No one but named people reads the report."
  }
  assert {
    condition     = alltrue([for bucket in google_storage_bucket.store : bucket.uniform_bucket_level_access])
    error_message = "No object has rights of its own."
  }
}

run "the_report_alone_can_be_made_public" {
  command = plan

  variables {
    is_report_public = true
  }

  assert {
    condition = toset([
      for name, bucket in google_storage_bucket.store : name if bucket.public_access_prevention != "enforced"
    ]) == toset(["report"])
    error_message = "Lake, archive and runs hold rows or errors and stay private."
  }
  assert {
    condition = toset([
      for key, binding in google_storage_bucket_iam_binding.owners_only : key if contains(binding.members, "allUsers")
    ]) == toset(["report ObjectReader"])
    error_message = "The public reads a page of the report and lists nothing."
  }
}

run "viewers_and_editors_of_the_project_read_no_object" {
  command = plan

  assert {
    condition = toset([
      for binding in google_storage_bucket_iam_binding.owners_only : "${binding.bucket} ${binding.role}"
      ]) == toset(flatten([for bucket in ["t-lake", "t-archive", "t-report", "t-runs"] : [
        for role in ["legacyBucketOwner", "legacyBucketReader", "legacyObjectOwner", "legacyObjectReader"] :
        "${bucket} roles/storage.${role}"
    ]]))
    error_message = "What a new bucket gives to viewers and editors is taken away, on every bucket."
  }
  assert {
    condition = alltrue([
      for binding in google_storage_bucket_iam_binding.owners_only : binding.members == toset(["projectOwner:credix-test"])
    ])
    error_message = "Only the project's owners keep it."
  }
}

run "the_archive_is_write_once" {
  command = plan

  assert {
    condition     = tonumber(google_storage_bucket.store["archive"].retention_policy[0].retention_period) == 30 * 24 * 3600
    error_message = "What the archive holds cannot be deleted for 30 days."
  }
  assert {
    condition     = google_storage_bucket.store["archive"].retention_policy[0].is_locked == false
    error_message = "The lock cannot be undone: it is asked for."
  }
  assert {
    condition = toset([
      for grant in google_storage_bucket_iam_member.purpose : grant.role if grant.bucket == "t-archive"
    ]) == toset(["roles/storage.objectCreator", "roles/storage.objectViewer"])
    error_message = "The workbook creates and reads in the archive, and never deletes."
  }
}

run "objects_grow_cold_and_go" {
  command = plan

  assert {
    condition = [
      for rule in google_storage_bucket.store["archive"].lifecycle_rule :
      "${one(rule.action).type} ${coalesce(one(rule.action).storage_class, "-")} ${coalesce(one(rule.condition).age, 0)}"
    ] == ["SetStorageClass COLDLINE 90", "Delete - 1825", "AbortIncompleteMultipartUpload - 1"]
    error_message = "The archive goes to a colder class after 90 days and is deleted after the term of the policy."
  }
  assert {
    condition = [
      for rule in google_storage_bucket.store["archive"].lifecycle_rule :
      join(" ", coalesce(one(rule.condition).matches_suffix, [])) if one(rule.action).type != "AbortIncompleteMultipartUpload"
    ] == [".parquet", ""]
    error_message = "Only large files change their class; everything is deleted in the end."
  }
  assert {
    condition = alltrue(flatten([
      for name in ["lake", "report"] : [
        for rule in google_storage_bucket.store[name].lifecycle_rule : alltrue([
          for folder in coalesce(one(rule.condition).matches_prefix, []) : can(regex("/(failed|reports)/$|^sandbox_", folder))
        ]) && length(coalesce(one(rule.condition).matches_prefix, [])) > 0
        if one(rule.action).type == "Delete" && one(rule.condition).days_since_noncurrent_time == null
      ]
    ]))
    error_message = "State, landing and the newest pages are never deleted by age."
  }
  assert {
    condition     = alltrue([for bucket in google_storage_bucket.store : bucket.soft_delete_policy[0].retention_duration_seconds == 7 * 24 * 3600])
    error_message = "What is deleted can be restored for a week."
  }
  assert {
    condition     = toset([for name, bucket in google_storage_bucket.store : name if bucket.versioning[0].enabled]) == toset(["lake", "report", "runs"])
    error_message = "What is rewritten keeps its older generations; the archive has retention instead."
  }
}
