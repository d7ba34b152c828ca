"""The process beside a training that draws its log in MLflow. Nothing is imported here: most trainings are over before it is needed."""
