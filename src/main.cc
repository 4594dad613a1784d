#include "app/cli.h"

int main(int argc, char** argv) { return keelwatch::app::run_command_line(argc, argv); }
