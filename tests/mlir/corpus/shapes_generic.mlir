#map = affine_map<()[s0] -> (s0, 4)>
#map1 = affine_map<()[s0, s1] -> (s0 + s1, 4)>
#map2 = affine_map<()[s0] -> (s0, 2)>
#map3 = affine_map<()[s0] -> (s0 * 2, 2)>
#map4 = affine_map<()[s0] -> (s0)>
#map5 = affine_map<()[s0, s1] -> (s0 + s1 - 1, 4)>
"builtin.module"() ({
  "func.func"() <{function_type = (!torch.vtensor<[?,4],f32>, !torch.vtensor<[?,4],f32>, !torch.int) -> (!torch.vtensor<[?,4],f32>, !torch.vtensor<[?,2],f32>, !torch.vtensor<[?,2],f32>, !torch.vtensor<[?],si64>, !torch.int), sym_name = "main"}> ({
  ^bb0(%arg0: !torch.vtensor<[?,4],f32>, %arg1: !torch.vtensor<[?,4],f32>, %arg2: !torch.int):
    %0 = "torch.symbolic_int"() <{max_val = 64 : i64, min_val = 2 : i64, symbol_name = "s77"}> : () -> !torch.int
    %1 = "torch.symbolic_int"() <{max_val = 9223372036854775807 : i64, min_val = 0 : i64, symbol_name = "s17"}> : () -> !torch.int
    %2 = "torch.symbolic_int"() <{max_val = 9223372036854775807 : i64, min_val = 2 : i64, symbol_name = "s86"}> : () -> !torch.int
    "torch.bind_symbolic_shape"(%arg0, %0) <{shape_expressions = #map}> : (!torch.vtensor<[?,4],f32>, !torch.int) -> ()
    "torch.bind_symbolic_shape"(%arg1, %1) <{shape_expressions = #map}> : (!torch.vtensor<[?,4],f32>, !torch.int) -> ()
    %3 = "torch.constant.int"() <{value = 0 : i64}> : () -> !torch.int
    %4 = "torch.aten.size.int"(%arg0, %3) : (!torch.vtensor<[?,4],f32>, !torch.int) -> !torch.int
    %5 = "torch.constant.int"() <{value = 0 : i64}> : () -> !torch.int
    %6 = "torch.aten.size.int"(%arg1, %5) : (!torch.vtensor<[?,4],f32>, !torch.int) -> !torch.int
    %7 = "torch.prim.ListConstruct"(%arg0, %arg1) : (!torch.vtensor<[?,4],f32>, !torch.vtensor<[?,4],f32>) -> !torch.list<vtensor>
    %8 = "torch.constant.int"() <{value = 0 : i64}> : () -> !torch.int
    %9 = "torch.aten.cat"(%7, %8) : (!torch.list<vtensor>, !torch.int) -> !torch.vtensor<[?,4],f32>
    "torch.bind_symbolic_shape"(%9, %1, %0) <{shape_expressions = #map1}> : (!torch.vtensor<[?,4],f32>, !torch.int, !torch.int) -> ()
    %10 = "torch.constant.int"() <{value = 2 : i64}> : () -> !torch.int
    %11 = "torch.constant.int"() <{value = 2 : i64}> : () -> !torch.int
    %12 = "torch.prim.ListConstruct"(%10, %11) : (!torch.int, !torch.int) -> !torch.list<int>
    %13 = "torch.constant.int"() <{value = 1 : i64}> : () -> !torch.int
    %14 = "torch.aten.split_with_sizes"(%arg0, %12, %13) : (!torch.vtensor<[?,4],f32>, !torch.list<int>, !torch.int) -> !torch.list<vtensor>
    %15:2 = "torch.prim.ListUnpack"(%14) : (!torch.list<vtensor>) -> (!torch.vtensor<[?,2],f32>, !torch.vtensor<[?,2],f32>)
    "torch.bind_symbolic_shape"(%15#0, %0) <{shape_expressions = #map2}> : (!torch.vtensor<[?,2],f32>, !torch.int) -> ()
    %16 = "torch.constant.int"() <{value = 2 : i64}> : () -> !torch.int
    %17 = "torch.aten.mul.int"(%6, %16) : (!torch.int, !torch.int) -> !torch.int
    %18 = "torch.constant.int"() <{value = 2 : i64}> : () -> !torch.int
    %19 = "torch.prim.ListConstruct"(%17, %18) : (!torch.int, !torch.int) -> !torch.list<int>
    %20 = "torch.aten.view"(%arg1, %19) : (!torch.vtensor<[?,4],f32>, !torch.list<int>) -> !torch.vtensor<[?,2],f32>
    "torch.bind_symbolic_shape"(%20, %1) <{shape_expressions = #map3}> : (!torch.vtensor<[?,2],f32>, !torch.int) -> ()
    %21 = "torch.constant.int"() <{value = 0 : i64}> : () -> !torch.int
    %22 = "torch.constant.int"() <{value = 1 : i64}> : () -> !torch.int
    %23 = "torch.constant.none"() : () -> !torch.none
    %24 = "torch.constant.int"() <{value = 0 : i64}> : () -> !torch.int
    %25 = "torch.constant.device"() <{value = "cpu"}> : () -> !torch.Device
    %26 = "torch.constant.bool"() <{value = false}> : () -> !torch.bool
    %27 = "torch.aten.arange.start_step"(%21, %arg2, %22, %23, %24, %25, %26) : (!torch.int, !torch.int, !torch.int, !torch.none, !torch.int, !torch.Device, !torch.bool) -> !torch.vtensor<[?],si64>
    "torch.bind_symbolic_shape"(%27, %2) <{shape_expressions = #map4}> : (!torch.vtensor<[?],si64>, !torch.int) -> ()
    %28 = "torch.constant.int"() <{value = 0 : i64}> : () -> !torch.int
    %29 = "torch.constant.int"() <{value = 1 : i64}> : () -> !torch.int
    %30 = "torch.constant.int"() <{value = 9223372036854775807 : i64}> : () -> !torch.int
    %31 = "torch.constant.int"() <{value = 1 : i64}> : () -> !torch.int
    %32 = "torch.aten.slice.Tensor"(%9, %28, %29, %30, %31) : (!torch.vtensor<[?,4],f32>, !torch.int, !torch.int, !torch.int, !torch.int) -> !torch.vtensor<[?,4],f32>
    "torch.bind_symbolic_shape"(%32, %1, %0) <{shape_expressions = #map5}> : (!torch.vtensor<[?,4],f32>, !torch.int, !torch.int) -> ()
    %33 = "torch.aten.mul.Scalar"(%15#0, %4) : (!torch.vtensor<[?,2],f32>, !torch.int) -> !torch.vtensor<[?,2],f32>
    "torch.bind_symbolic_shape"(%33, %0) <{shape_expressions = #map2}> : (!torch.vtensor<[?,2],f32>, !torch.int) -> ()
    %34 = "torch.constant.int"() <{value = 1 : i64}> : () -> !torch.int
    %35 = "torch.constant.int"() <{value = 1 : i64}> : () -> !torch.int
    %36 = "torch.aten.add.Scalar"(%20, %34, %35) : (!torch.vtensor<[?,2],f32>, !torch.int, !torch.int) -> !torch.vtensor<[?,2],f32>
    "torch.bind_symbolic_shape"(%36, %1) <{shape_expressions = #map3}> : (!torch.vtensor<[?,2],f32>, !torch.int) -> ()
    %37 = "torch.aten.add.int"(%6, %4) : (!torch.int, !torch.int) -> !torch.int
    %38 = "torch.constant.int"() <{value = 2 : i64}> : () -> !torch.int
    %39 = "torch.aten.mul.int"(%37, %38) : (!torch.int, !torch.int) -> !torch.int
    %40 = "torch.constant.int"() <{value = 1 : i64}> : () -> !torch.int
    %41 = "torch.aten.add.int"(%39, %40) : (!torch.int, !torch.int) -> !torch.int
    "func.return"(%32, %33, %36, %27, %41) : (!torch.vtensor<[?,4],f32>, !torch.vtensor<[?,2],f32>, !torch.vtensor<[?,2],f32>, !torch.vtensor<[?],si64>, !torch.int) -> ()
  }) {torch.assume_strict_symbolic_shapes} : () -> ()
}) : () -> ()
