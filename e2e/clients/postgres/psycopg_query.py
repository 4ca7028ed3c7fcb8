"""Prints the result of one query, with the connection that the environment names."""

import sys

import psycopg

with psycopg.connect() as connection:
    print(*connection.execute(sys.argv[1]).fetchone(), sep="|")
