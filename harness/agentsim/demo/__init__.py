"""The main job, shown: a real package goes over HTTP to a simulated agent and comes to life there.

`steps` has what is shown, in order; `services` holds the agent and the repository that it needs,
`sample_package` makes the package, `request` asks and prints the curl line of every question,
`terminal` lays it out.
"""
