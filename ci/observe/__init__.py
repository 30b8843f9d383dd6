"""What Prometheus and Grafana need to watch the models that run here."""
