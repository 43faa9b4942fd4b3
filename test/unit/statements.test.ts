// Tests the check of statements: it finds those that leave the tenant at any level, and passes those that stay.
import { expect, it } from 'vitest'
import { levelsOf, strayStatements } from '../support/statements.ts'

const TABLES = ['apps', 'uploads', 'deliveries', 'callbacks', 'issuers', 'usage']
const stray = (statement: string) =>
  strayStatements([statement], TABLES).flatMap(({ tables }) => tables)

it.each([
  ['select * from uploads where upload_id = $1', ['uploads']],
  ['update uploads set state = $1 where upload_id = $2', ['uploads']],
  ['delete from "deliveries" where state = $1', ['deliveries']],
  ['select app_id from uploads where upload_id = $1', ['uploads']],
  ['select distinct app_id from uploads where sweep_at <= $1', ['uploads']],
  ['insert into uploads select * from uploads_before', ['uploads']],
  ['select * from uploads where app_id = $1 union (select * from callbacks)', ['callbacks']],
  [
    'with old as (select upload_id from uploads limit $1) delete from uploads where app_id = $2',
    ['uploads'],
  ],
  [
    'select * from uploads u where app_id = $1 and not exists (select from deliveries d where d.upload_id = u.upload_id)',
    ['deliveries'],
  ],
  ['select * from issuers where issuer = $1', ['issuers']],
  [
    'select * from uploads u join deliveries d on d.upload_id = u.upload_id where u.app_id = $1',
    ['uploads', 'deliveries'],
  ],
  [
    'select a.app_id from apps a cross join lateral (select 1 from uploads u where u.state = $1) s',
    ['uploads'],
  ],
  // A comparison inside a string, or of another column, does not count.
  ["select * from uploads where failure = 'app_id = $1'", ['uploads']],
  ['select * from uploads where my_app_id = $1', ['uploads']],
])('finds %s', (statement, tables) => {
  expect(stray(statement)).toEqual(tables)
})

it.each([
  'select * from apps order by app_id',
  // A definition is not a query, although some servers record it too.
  'create table issuers (app_id text, uploads jsonb, deliveries jsonb)',
  'select * from uploads where app_id = $1 and upload_id = $2',
  'select "state" from "uploads" where ("uploads"."app_id" = $1 and "uploads"."upload_id" = $2)',
  'update usage set a = greatest(b, usage.c) from changed where usage.app_id = changed.app_id',
  'insert into uploads (app_id, upload_id) select $1, $2 where exists (select from counted)',
  'with changed as (update uploads set state = $1 where app_id = $2 returning *) select * from changed',
  'select 1 from changed join deliveries d on d.app_id = changed.app_id',
  // The outer query reads all apps, and each inner query only one.
  'select a.app_id from apps a cross join lateral (select 1 from uploads u where u.app_id = a.app_id) s',
  'select (select min(d.at) from deliveries d where d.app_id = a.app_id) as since from apps a',
  'update uploads u set sweep_at = $1 from due where u.app_id = $2 and due.app_id = u.app_id',
])('lets through %s', (statement) => {
  expect(stray(statement)).toEqual([])
})

it('reads levels apart and leaves functions and lists where they are', () => {
  const levels = levelsOf("select f(a, ')') from t where x in (1, 2) and exists (select from u)")
  expect(levels.map(({ text }) => text.trim())).toEqual([
    'select from u',
    "select f(a, ')') from t where x in (1, 2) and exists  (…)",
  ])
})
