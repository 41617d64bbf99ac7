from packager.main import main

main()
