"""The steps that lead to the tables of `schema`, run by Alembic. A released step is never changed."""
