#!/bin/sh
# Creates Temporal's two databases and brings their schema up to this version. Every step may be repeated, so this runs at each start, and after an
# upgrade of the image it upgrades the schema. Connection: SQL_HOST, SQL_PORT, SQL_USER, SQL_PASSWORD, SQL_PLUGIN (the tool reads them itself).
set -eu

set_up() {
  database=$1
  schema=$2
  temporal-sql-tool --database "$database" create-database
  temporal-sql-tool --database "$database" setup-schema --version 0.0
  temporal-sql-tool --database "$database" update-schema --schema-name "$schema"
  echo "the database $database is ready"
}

set_up "${TEMPORAL_DATABASE:-temporal}" postgresql/v12/temporal
set_up "${TEMPORAL_VISIBILITY_DATABASE:-temporal_visibility}" postgresql/v12/visibility
