"""PostgreSQL: connections, snapshots, replication slots."""
