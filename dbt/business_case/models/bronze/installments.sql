{{ config(unique_key='asset_id', cluster_by=['asset_id']) }}
{{- require_merge() -}}

select
    delta.*,
    delta._extracted_at as _changed_at,
    current_timestamp() as _loaded_at,
    '{{ source_table() }}' as _source_table
from {{ run_delta() }} as delta
