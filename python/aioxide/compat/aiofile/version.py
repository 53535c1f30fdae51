"""Which version of aiofile the names and signatures here are those of, and who has written what stands behind them."""

__version__ = "3.12.3"
version_info = (3, 12, 3)

__author__ = "The aioxide contributors"
team_email = ""
author_info = [(__author__, team_email)]
package_info = "The names of aiofile, served by aioxide's files."
package_license = "MIT OR Apache-2.0"
project_home = ""
