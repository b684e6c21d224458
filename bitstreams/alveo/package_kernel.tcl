# Packages ternary_gemv (512-b3, contract 3) as a Vitis kernel object.
# Generated from hdl/contract by `tercet xclbin package`; do not edit.
#
#   vivado -mode batch -source package_kernel.tcl -tclargs VERILOG KERNEL_XML XO [PART]
#
# Runs in a scratch folder beside XO, which is removed first.

if {[llength $argv] < 3 || [llength $argv] > 4} {
    error "expected VERILOG KERNEL_XML XO \[PART\], found: $argv"
}
lassign $argv verilog kernel_xml xo part
foreach file [list $verilog $kernel_xml] {
    if {![file isfile $file]} {
        error "$file: no such file"
    }
}

# Name, offset, bits, port whose address the register holds.
set registers {
    CTRL        0x000  32 {}
    GIE         0x004  32 {}
    IER         0x008  32 {}
    ISR         0x00c  32 {}
    weights     0x010  64 m_axi_weights
    data        0x01c  64 m_axi_data
    list        0x028  64 {}
    count       0x034  32 {}
    mode        0x03c  32 {}
    completion  0x044  64 {}
    tail        0x050  32 {}
    command_0   0x080  64 {}
    command_1   0x088  64 {}
    command_2   0x090  64 {}
    command_3   0x098  64 {}
    command_4   0x0a0  64 {}
    command_5   0x0a8  64 {}
    command_6   0x0b0  64 {}
}

set scratch [file rootname [file normalize $xo]].packaging
file delete -force $scratch $xo
set packaged [file join $scratch ip]

set project [list create_project -force package [file join $scratch project]]
if {$part ne ""} {
    lappend project -part $part
}
{*}$project
add_files -norecurse [file normalize $verilog]
set_property top ternary_gemv [current_fileset]
update_compile_order -fileset sources_1

ipx::package_project -root_dir $packaged -vendor tercet -library kernel \
    -taxonomy /KernelIP -import_files -set_current true
set core [ipx::current_core]
set_property name ternary_gemv $core
set_property version 3.0 $core
# Vitis sets no parameters of an RTL kernel.
foreach parameter [ipx::get_user_parameters -of_objects $core] {
    ipx::remove_user_parameter [get_property NAME $parameter] $core
}

foreach bus {s_axi_control m_axi_weights m_axi_data} {
    ipx::associate_bus_interfaces -busif $bus -clock ap_clk $core
}
ipx::associate_bus_interfaces -clock ap_clk -reset ap_rst_n $core

# Packaging may have guessed a map of the registers; this one is the contract's.
foreach map [ipx::get_memory_maps -of_objects $core s_axi_control] {
    ipx::remove_memory_map [get_property NAME $map] $core
}
set map [ipx::add_memory_map s_axi_control $core]
set_property slave_memory_map_ref s_axi_control [ipx::get_bus_interfaces s_axi_control -of_objects $core]
set block [ipx::add_address_block reg0 $map]
set_property range 4096 $block
set_property width 32 $block
set_property usage register $block
foreach {name offset bits port} $registers {
    set register [ipx::add_register $name $block]
    set_property address_offset $offset $register
    set_property size $bits $register
    if {$port ne ""} {
        set parameter [ipx::add_register_parameter ASSOCIATED_BUSIF $register]
        set_property value $port $parameter
    }
}

set_property sdx_kernel true $core
set_property sdx_kernel_type rtl $core
set_property supported_families {} $core
set_property auto_family_support_level level_2 $core
ipx::create_xgui_files $core
ipx::update_checksums $core
ipx::check_integrity -kernel $core
ipx::save_core $core
close_project -delete

package_xo -xo_path $xo -kernel_name ternary_gemv -ip_directory $packaged \
    -kernel_xml $kernel_xml -ctrl_protocol ap_ctrl_hs
