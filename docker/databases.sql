create database airflow;
create database mlflow;
create database feast;
create database vectors;
\connect vectors
create extension vector;
