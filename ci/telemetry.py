"""Environment that keeps DVC, CML, MLflow, BentoML, NannyML and Ray from reporting on us."""

# NannyML's name counts by being there, whatever its value; MLflow's and BentoML's must say true.
OFF: dict[str, str] = {
    "BENTOML_DO_NOT_TRACK": "true",
    "DO_NOT_TRACK": "true",
    "DVC_NO_ANALYTICS": "true",
    "ITERATIVE_DO_NOT_TRACK": "true",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "NML_DISABLE_USAGE_LOGGING": "true",
    "RAY_USAGE_STATS_ENABLED": "0",
}
