"""What `cdk.json` runs: the app of `iot_jitr`, in this checkout."""

import sys

from iot_jitr.app import main

sys.exit(main())
