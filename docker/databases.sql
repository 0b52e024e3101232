create database airflow;
create database mlflow;
create database feast;
