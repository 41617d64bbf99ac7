from rollout.main import main

main()
