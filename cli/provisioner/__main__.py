from provisioner.main import main

main()
