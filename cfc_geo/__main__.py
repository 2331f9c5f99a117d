import sys

from cfc_geo.cli import main

sys.exit(main())
