# Synthesises, places and routes ternary_gemv by itself ("out of context": no pins, no shell), for Vivado.
#
#   vivado -mode batch -source out_of_context.tcl -tclargs VERILOG PART CLOCK_MHZ FOLDER
#
# Writes into FOLDER: utilization.rpt and timing.rpt of the routed kernel, slack.txt with the worst setup slack in ns and
# the version of Vivado, routed.dcp. Paths from and to the ports are not timed: what stands there is not known.

if {[llength $argv] != 4} {
    error "expected VERILOG PART CLOCK_MHZ FOLDER, found: $argv"
}
lassign $argv verilog part clock_mhz folder
if {![file isfile $verilog]} {
    error "$verilog: no such file"
}
if {![string is double -strict $clock_mhz] || $clock_mhz <= 0} {
    error "a clock of $clock_mhz MHz"
}
file mkdir $folder
set period [format %.3f [expr {1000.0 / $clock_mhz}]]

# A file, so that synthesis knows the clock, too.
set constraints [file join $folder clock.xdc]
set out [open $constraints w]
puts $out "create_clock -name ap_clk -period $period \[get_ports ap_clk\]"
close $out

read_verilog $verilog
read_xdc -mode out_of_context $constraints
synth_design -mode out_of_context -top ternary_gemv -part $part
opt_design
place_design
phys_opt_design
route_design

report_utilization -file [file join $folder utilization.rpt]
report_timing_summary -file [file join $folder timing.rpt]
set path [get_timing_paths -setup -max_paths 1 -from [all_registers] -to [all_registers]]
set out [open [file join $folder slack.txt] w]
puts $out "slack_ns [get_property SLACK $path]"
puts $out "tool vivado [version -short]"
close $out
write_checkpoint -force [file join $folder routed.dcp]
