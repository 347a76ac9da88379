-- Who may do what in the database of otel-usage. Read it, change the limits, and run it as an administrator after the
-- schema: clickhouse-client --multiquery < roles.sql
-- It can be run again. It needs a server with access management; chDB has one user, who may do everything.
--
-- otel_usage_admin       `otel-usage schema apply`: makes and changes tables
-- otel_usage_writer      `otel-usage serve`, `prices`: writes rows, and reads what it needs for that and for its API
-- otel_usage_reader      people and dashboards: reads usage of the tenants it is given, and of no other
-- otel_usage_read_all    with otel_usage_reader: of every tenant
--
-- On a cluster: add ON CLUSTER '<name>' after each name that is created and after GRANT, and run all but the roles once more
-- for the database otel_usage_local, where the rows are. A policy there holds only if the shards know who asks: give the
-- cluster a <secret> in the servers' configuration.

CREATE ROLE IF NOT EXISTS otel_usage_admin, otel_usage_writer, otel_usage_reader, otel_usage_read_all;

-- ADMIN. DROP for its lock, which is a table; INSERT for the entry of a migration, and for the retention.
GRANT CREATE DATABASE, CREATE TABLE, CREATE VIEW, DROP TABLE, DROP VIEW, ALTER TABLE, SELECT, INSERT ON otel_usage.* TO otel_usage_admin;
-- A view is made by one who may read what it reads.
GRANT SELECT ON system.parts TO otel_usage_admin;

-- WRITER. It only ever adds rows; what is corrected, is by a newer version.
GRANT SELECT ON otel_usage.* TO otel_usage_writer;
GRANT INSERT ON otel_usage.usage_rows TO otel_usage_writer;
GRANT INSERT ON otel_usage.usage_history TO otel_usage_writer;
GRANT INSERT ON otel_usage.claims TO otel_usage_writer;
GRANT INSERT ON otel_usage.token_points TO otel_usage_writer;
GRANT INSERT ON otel_usage.price_books TO otel_usage_writer;
GRANT INSERT ON otel_usage.price_book_events TO otel_usage_writer;
GRANT INSERT ON otel_usage.price_rules TO otel_usage_writer;
GRANT INSERT ON otel_usage.reprice_runs TO otel_usage_writer;
-- Sealing puts the sums of a month in the place of the old ones, which takes ALTER DELETE; expiry drops days of rows.
-- Sums are made in a table of their own, and another one says who makes them.
GRANT INSERT, ALTER DELETE ON otel_usage.sealed_sums TO otel_usage_writer;
GRANT CREATE TABLE, DROP TABLE, INSERT ON otel_usage.sealed_next_* TO otel_usage_writer;
GRANT CREATE TABLE, DROP TABLE, ALTER MODIFY COMMENT ON otel_usage.sealing_* TO otel_usage_writer;
GRANT INSERT ON otel_usage.expired_days TO otel_usage_writer;
GRANT ALTER DELETE ON otel_usage.usage_rows TO otel_usage_writer;
GRANT ALTER DELETE ON otel_usage.usage_history TO otel_usage_writer;
-- An account that is erased is renamed, or deleted, in what names it.
GRANT INSERT ON otel_usage.erasures TO otel_usage_writer;
GRANT ALTER DELETE ON otel_usage.claims TO otel_usage_writer;
GRANT ALTER UPDATE ON otel_usage.price_rules TO otel_usage_writer;
GRANT ALTER UPDATE ON otel_usage.reprice_runs TO otel_usage_writer;
-- Which days are sealed is read from the parts they have. Parts are shown of tables that one may read.
GRANT SELECT ON system.parts TO otel_usage_writer;

-- READER. A view is read with the rights of who asks, so the tables below are granted too, each under a policy.
GRANT SELECT ON otel_usage.usage TO otel_usage_reader;
GRANT SELECT ON otel_usage.usage_observations TO otel_usage_reader;
GRANT SELECT ON otel_usage.usage_daily TO otel_usage_reader;
GRANT SELECT ON otel_usage.usage_by_account_daily TO otel_usage_reader;
GRANT SELECT ON otel_usage.focus_usage TO otel_usage_reader;
GRANT SELECT ON otel_usage.day_sums TO otel_usage_reader;
GRANT SELECT ON otel_usage.quarter_sums TO otel_usage_reader;
GRANT SELECT ON otel_usage.account_sums TO otel_usage_reader;
GRANT SELECT ON otel_usage.account_model_sums TO otel_usage_reader;
GRANT SELECT ON otel_usage.usage_rows TO otel_usage_reader;
GRANT SELECT ON otel_usage.usage_history TO otel_usage_reader;
GRANT SELECT ON otel_usage.sealed_sums TO otel_usage_reader;
-- These say which days are sealed, and how many rows a day has, of all tenants together: no more.
GRANT SELECT ON otel_usage.usage_days TO otel_usage_reader;
GRANT SELECT ON otel_usage.summed_days TO otel_usage_reader;
GRANT SELECT ON otel_usage.expired_days TO otel_usage_reader;
GRANT SELECT ON otel_usage.token_points TO otel_usage_reader;
GRANT SELECT ON system.parts TO otel_usage_reader;

-- POLICIES. Of several that are for a user, one that lets a row through is enough.
-- A reader without a tenant sees nothing: without a policy of their own, they would see all.
CREATE ROW POLICY OR REPLACE otel_usage_reader ON otel_usage.usage_rows, otel_usage.usage_history, otel_usage.token_points FOR SELECT USING 0 TO otel_usage_reader;
-- Which days are sealed is told by rows of no tenant. Without them every day would count as not sealed, and be summed from
-- its rows: slowly.
CREATE ROW POLICY OR REPLACE otel_usage_reader ON otel_usage.sealed_sums FOR SELECT USING tenant = '' AND level = 'mark' TO otel_usage_reader;
CREATE ROW POLICY OR REPLACE otel_usage_all ON otel_usage.usage_rows, otel_usage.usage_history, otel_usage.token_points, otel_usage.sealed_sums FOR SELECT USING 1 TO otel_usage_admin, otel_usage_writer, otel_usage_read_all;

-- LIMITS of readers. readonly = 2: they may choose settings of a query, as clients do, within these bounds.
CREATE SETTINGS PROFILE OR REPLACE otel_usage_reader SETTINGS
    readonly = 2,
    max_execution_time = 60 MIN 1 MAX 300,
    max_memory_usage = 4000000000 MIN 1000000 MAX 8000000000,
    do_not_merge_across_partitions_select_final = 1
TO otel_usage_reader;

-- By user, so that one does not spend what is another's.
CREATE QUOTA OR REPLACE otel_usage_reader KEYED BY user_name
    FOR INTERVAL 1 minute MAX queries = 600,
    FOR INTERVAL 1 hour MAX execution_time = 1800
TO otel_usage_reader;

-- EXAMPLE: a reader of the tenant `acme`. A role has the tenant, so that its users come and go.
-- CREATE ROLE IF NOT EXISTS otel_usage_tenant_acme;
-- CREATE ROW POLICY OR REPLACE otel_usage_tenant_acme
--     ON otel_usage.usage_rows, otel_usage.usage_history, otel_usage.token_points, otel_usage.sealed_sums
--     FOR SELECT USING tenant = 'acme' TO otel_usage_tenant_acme;
-- CREATE USER IF NOT EXISTS acme_dashboard IDENTIFIED WITH sha256_password BY 'choose one';
-- GRANT otel_usage_reader, otel_usage_tenant_acme TO acme_dashboard;
