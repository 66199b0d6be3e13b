module @module {
  util.global private @__auto.constant_16_3_8_8_torch.float32 = dense<0.015625> : tensor<16x3x8x8xf32>
  func.func @main(%arg0: !torch.vtensor<[1,3,16,16],f32>) -> !torch.vtensor<[1,3],f32> attributes {torch.assume_strict_symbolic_shapes} {
    %__auto.constant_16_3_8_8_torch.float32 = util.global.load @__auto.constant_16_3_8_8_torch.float32 : tensor<16x3x8x8xf32>
    %0 = torch_c.from_builtin_tensor %__auto.constant_16_3_8_8_torch.float32 : tensor<16x3x8x8xf32> -> !torch.vtensor<[16,3,8,8],f32>
    %1 = torch.vtensor.literal(dense_resource<torch_tensor_16_torch.float32> : tensor<16xf32>) : !torch.vtensor<[16],f32>
    %int8 = torch.constant.int 8
    %int8_0 = torch.constant.int 8
    %2 = torch.prim.ListConstruct %int8, %int8_0 : (!torch.int, !torch.int) -> !torch.list<int>
    %int0 = torch.constant.int 0
    %int0_1 = torch.constant.int 0
    %3 = torch.prim.ListConstruct %int0, %int0_1 : (!torch.int, !torch.int) -> !torch.list<int>
    %int1 = torch.constant.int 1
    %int1_2 = torch.constant.int 1
    %4 = torch.prim.ListConstruct %int1, %int1_2 : (!torch.int, !torch.int) -> !torch.list<int>
    %int1_3 = torch.constant.int 1
    %5 = torch.aten.conv2d %arg0, %0, %1, %2, %3, %4, %int1_3 : !torch.vtensor<[1,3,16,16],f32>, !torch.vtensor<[16,3,8,8],f32>, !torch.vtensor<[16],f32>, !torch.list<int>, !torch.list<int>, !torch.list<int>, !torch.int -> !torch.vtensor<[1,16,2,2],f32>
    %int2 = torch.constant.int 2
    %int-1 = torch.constant.int -1
    %6 = torch.aten.flatten.using_ints %5, %int2, %int-1 : !torch.vtensor<[1,16,2,2],f32>, !torch.int, !torch.int -> !torch.vtensor<[1,16,4],f32>
    %int1_4 = torch.constant.int 1
    %int2_5 = torch.constant.int 2
    %7 = torch.aten.transpose.int %6, %int1_4, %int2_5 : !torch.vtensor<[1,16,4],f32>, !torch.int, !torch.int -> !torch.vtensor<[1,4,16],f32>
    %8 = torch.vtensor.literal(dense_resource<torch_tensor_1_1_16_torch.float32> : tensor<1x1x16xf32>) : !torch.vtensor<[1,1,16],f32>
    %int1_6 = torch.constant.int 1
    %int-1_7 = torch.constant.int -1
    %int-1_8 = torch.constant.int -1
    %9 = torch.prim.ListConstruct %int1_6, %int-1_7, %int-1_8 : (!torch.int, !torch.int, !torch.int) -> !torch.list<int>
    %false = torch.constant.bool false
    %10 = torch.aten.expand %8, %9, %false : !torch.vtensor<[1,1,16],f32>, !torch.list<int>, !torch.bool -> !torch.vtensor<[1,1,16],f32>
    %11 = torch.prim.ListConstruct %10, %7 : (!torch.vtensor<[1,1,16],f32>, !torch.vtensor<[1,4,16],f32>) -> !torch.list<vtensor>
    %int1_9 = torch.constant.int 1
    %12 = torch.aten.cat %11, %int1_9 : !torch.list<vtensor>, !torch.int -> !torch.vtensor<[1,5,16],f32>
    %13 = torch.vtensor.literal(dense<0.015625> : tensor<1x5x16xf32>) : !torch.vtensor<[1,5,16],f32>
    %int1_10 = torch.constant.int 1
    %14 = torch.aten.add.Tensor %12, %13, %int1_10 : !torch.vtensor<[1,5,16],f32>, !torch.vtensor<[1,5,16],f32>, !torch.int -> !torch.vtensor<[1,5,16],f32>
    %float0.000000e00 = torch.constant.float 0.000000e+00
    %false_11 = torch.constant.bool false
    %15 = torch.aten.dropout %14, %float0.000000e00, %false_11 : !torch.vtensor<[1,5,16],f32>, !torch.float, !torch.bool -> !torch.vtensor<[1,5,16],f32>
    %int1_12 = torch.constant.int 1
    %none = torch.constant.none
    %none_13 = torch.constant.none
    %cpu = torch.constant.device "cpu"
    %false_14 = torch.constant.bool false
    %16 = torch.aten.arange %int1_12, %none, %none_13, %cpu, %false_14 : !torch.int, !torch.none, !torch.none, !torch.Device, !torch.bool -> !torch.vtensor<[1],si64>
    %int1_15 = torch.constant.int 1
    %none_16 = torch.constant.none
    %none_17 = torch.constant.none
    %cpu_18 = torch.constant.device "cpu"
    %false_19 = torch.constant.bool false
    %17 = torch.aten.arange %int1_15, %none_16, %none_17, %cpu_18, %false_19 : !torch.int, !torch.none, !torch.none, !torch.Device, !torch.bool -> !torch.vtensor<[1],si64>
    %int5 = torch.constant.int 5
    %none_20 = torch.constant.none
    %none_21 = torch.constant.none
    %cpu_22 = torch.constant.device "cpu"
    %false_23 = torch.constant.bool false
    %18 = torch.aten.arange %int5, %none_20, %none_21, %cpu_22, %false_23 : !torch.int, !torch.none, !torch.none, !torch.Device, !torch.bool -> !torch.vtensor<[5],si64>
    %int0_24 = torch.constant.int 0
    %int1_25 = torch.constant.int 1
    %19 = torch.aten.add.Scalar %18, %int0_24, %int1_25 : !torch.vtensor<[5],si64>, !torch.int, !torch.int -> !torch.vtensor<[5],si64>
    %int5_26 = torch.constant.int 5
    %none_27 = torch.constant.none
    %none_28 = torch.constant.none
    %cpu_29 = torch.constant.device "cpu"
    %false_30 = torch.constant.bool false
    %20 = torch.aten.arange %int5_26, %none_27, %none_28, %cpu_29, %false_30 : !torch.int, !torch.none, !torch.none, !torch.Device, !torch.bool -> !torch.vtensor<[5],si64>
    %int0_31 = torch.constant.int 0
    %int1_32 = torch.constant.int 1
    %21 = torch.aten.add.Scalar %20, %int0_31, %int1_32 : !torch.vtensor<[5],si64>, !torch.int, !torch.int -> !torch.vtensor<[5],si64>
    %int1_33 = torch.constant.int 1
    %22 = torch.aten.unsqueeze %16, %int1_33 : !torch.vtensor<[1],si64>, !torch.int -> !torch.vtensor<[1,1],si64>
    %int2_34 = torch.constant.int 2
    %23 = torch.aten.unsqueeze %22, %int2_34 : !torch.vtensor<[1,1],si64>, !torch.int -> !torch.vtensor<[1,1,1],si64>
    %int3 = torch.constant.int 3
    %24 = torch.aten.unsqueeze %23, %int3 : !torch.vtensor<[1,1,1],si64>, !torch.int -> !torch.vtensor<[1,1,1,1],si64>
    %int0_35 = torch.constant.int 0
    %25 = torch.aten.unsqueeze %17, %int0_35 : !torch.vtensor<[1],si64>, !torch.int -> !torch.vtensor<[1,1],si64>
    %int2_36 = torch.constant.int 2
    %26 = torch.aten.unsqueeze %25, %int2_36 : !torch.vtensor<[1,1],si64>, !torch.int -> !torch.vtensor<[1,1,1],si64>
    %int3_37 = torch.constant.int 3
    %27 = torch.aten.unsqueeze %26, %int3_37 : !torch.vtensor<[1,1,1],si64>, !torch.int -> !torch.vtensor<[1,1,1,1],si64>
    %int0_38 = torch.constant.int 0
    %28 = torch.aten.unsqueeze %19, %int0_38 : !torch.vtensor<[5],si64>, !torch.int -> !torch.vtensor<[1,5],si64>
    %int1_39 = torch.constant.int 1
    %29 = torch.aten.unsqueeze %28, %int1_39 : !torch.vtensor<[1,5],si64>, !torch.int -> !torch.vtensor<[1,1,5],si64>
    %int3_40 = torch.constant.int 3
    %30 = torch.aten.unsqueeze %29, %int3_40 : !torch.vtensor<[1,1,5],si64>, !torch.int -> !torch.vtensor<[1,1,5,1],si64>
    %int0_41 = torch.constant.int 0
    %31 = torch.aten.unsqueeze %21, %int0_41 : !torch.vtensor<[5],si64>, !torch.int -> !torch.vtensor<[1,5],si64>
    %int1_42 = torch.constant.int 1
    %32 = torch.aten.unsqueeze %31, %int1_42 : !torch.vtensor<[1,5],si64>, !torch.int -> !torch.vtensor<[1,1,5],si64>
    %int2_43 = torch.constant.int 2
    %33 = torch.aten.unsqueeze %32, %int2_43 : !torch.vtensor<[1,1,5],si64>, !torch.int -> !torch.vtensor<[1,1,1,5],si64>
    %int0_44 = torch.constant.int 0
    %34 = torch.aten.ge.Scalar %30, %int0_44 : !torch.vtensor<[1,1,5,1],si64>, !torch.int -> !torch.vtensor<[1,1,5,1],i1>
    %int1_45 = torch.constant.int 1
    %int-1_46 = torch.constant.int -1
    %int5_47 = torch.constant.int 5
    %int5_48 = torch.constant.int 5
    %35 = torch.prim.ListConstruct %int1_45, %int-1_46, %int5_47, %int5_48 : (!torch.int, !torch.int, !torch.int, !torch.int) -> !torch.list<int>
    %false_49 = torch.constant.bool false
    %36 = torch.aten.expand %34, %35, %false_49 : !torch.vtensor<[1,1,5,1],i1>, !torch.list<int>, !torch.bool -> !torch.vtensor<[1,1,5,5],i1>
    %int16 = torch.constant.int 16
    %37 = torch.prim.ListConstruct %int16 : (!torch.int) -> !torch.list<int>
    %38 = torch.vtensor.literal(dense_resource<torch_tensor_16_torch.float32_1> : tensor<16xf32>) : !torch.vtensor<[16],f32>
    %39 = torch.vtensor.literal(dense_resource<torch_tensor_16_torch.float32_2> : tensor<16xf32>) : !torch.vtensor<[16],f32>
    %float9.999990e-13 = torch.constant.float 9.9999999999999998E-13
    %false_50 = torch.constant.bool false
    %40 = torch.aten.layer_norm %15, %37, %38, %39, %float9.999990e-13, %false_50 : !torch.vtensor<[1,5,16],f32>, !torch.list<int>, !torch.vtensor<[16],f32>, !torch.vtensor<[16],f32>, !torch.float, !torch.bool -> !torch.vtensor<[1,5,16],f32>
    %41 = torch.vtensor.literal(dense<0.015625> : tensor<16x16xf32>) : !torch.vtensor<[16,16],f32>
    %42 = torch.vtensor.literal(dense_resource<torch_tensor_16_torch.float32_3> : tensor<16xf32>) : !torch.vtensor<[16],f32>
    %43 = torch.aten.linear %40, %41, %42 : !torch.vtensor<[1,5,16],f32>, !torch.vtensor<[16,16],f32>, !torch.vtensor<[16],f32> -> !torch.vtensor<[1,5,16],f32>
    %int1_51 = torch.constant.int 1
    %int5_52 = torch.constant.int 5
    %int-1_53 = torch.constant.int -1
    %int8_54 = torch.constant.int 8
    %44 = torch.prim.ListConstruct %int1_51, %int5_52, %int-1_53, %int8_54 : (!torch.int, !torch.int, !torch.int, !torch.int) -> !torch.list<int>
    %45 = torch.aten.view %43, %44 : !torch.vtensor<[1,5,16],f32>, !torch.list<int> -> !torch.vtensor<[1,5,2,8],f32>
    %int1_55 = torch.constant.int 1
    %int2_56 = torch.constant.int 2
    %46 = torch.aten.transpose.int %45, %int1_55, %int2_56 : !torch.vtensor<[1,5,2,8],f32>, !torch.int, !torch.int -> !torch.vtensor<[1,2,5,8],f32>
    %47 = torch.vtensor.literal(dense<0.015625> : tensor<16x16xf32>) : !torch.vtensor<[16,16],f32>
    %48 = torch.vtensor.literal(dense_resource<torch_tensor_16_torch.float32_4> : tensor<16xf32>) : !torch.vtensor<[16],f32>
    %49 = torch.aten.linear %40, %47, %48 : !torch.vtensor<[1,5,16],f32>, !torch.vtensor<[16,16],f32>, !torch.vtensor<[16],f32> -> !torch.vtensor<[1,5,16],f32>
    %int1_57 = torch.constant.int 1
    %int5_58 = torch.constant.int 5
    %int-1_59 = torch.constant.int -1
    %int8_60 = torch.constant.int 8
    %50 = torch.prim.ListConstruct %int1_57, %int5_58, %int-1_59, %int8_60 : (!torch.int, !torch.int, !torch.int, !torch.int) -> !torch.list<int>
    %51 = torch.aten.view %49, %50 : !torch.vtensor<[1,5,16],f32>, !torch.list<int> -> !torch.vtensor<[1,5,2,8],f32>
    %int1_61 = torch.constant.int 1
    %int2_62 = torch.constant.int 2
    %52 = torch.aten.transpose.int %51, %int1_61, %int2_62 : !torch.vtensor<[1,5,2,8],f32>, !torch.int, !torch.int -> !torch.vtensor<[1,2,5,8],f32>
    %53 = torch.vtensor.literal(dense<0.015625> : tensor<16x16xf32>) : !torch.vtensor<[16,16],f32>
    %54 = torch.vtensor.literal(dense_resource<torch_tensor_16_torch.float32_5> : tensor<16xf32>) : !torch.vtensor<[16],f32>
    %55 = torch.aten.linear %40, %53, %54 : !torch.vtensor<[1,5,16],f32>, !torch.vtensor<[16,16],f32>, !torch.vtensor<[16],f32> -> !torch.vtensor<[1,5,16],f32>
    %int1_63 = torch.constant.int 1
    %int5_64 = torch.constant.int 5
    %int-1_65 = torch.constant.int -1
    %int8_66 = torch.constant.int 8
    %56 = torch.prim.ListConstruct %int1_63, %int5_64, %int-1_65, %int8_66 : (!torch.int, !torch.int, !torch.int, !torch.int) -> !torch.list<int>
    %57 = torch.aten.view %55, %56 : !torch.vtensor<[1,5,16],f32>, !torch.list<int> -> !torch.vtensor<[1,5,2,8],f32>
    %int1_67 = torch.constant.int 1
    %int2_68 = torch.constant.int 2
    %58 = torch.aten.transpose.int %57, %int1_67, %int2_68 : !torch.vtensor<[1,5,2,8],f32>, !torch.int, !torch.int -> !torch.vtensor<[1,2,5,8],f32>
    %float0.000000e00_69 = torch.constant.float 0.000000e+00
    %false_70 = torch.constant.bool false
    %float3.535530e-01 = torch.constant.float 0.35355339059327379
    %false_71 = torch.constant.bool false
    %59 = torch.aten.scaled_dot_product_attention %46, %52, %58, %36, %float0.000000e00_69, %false_70, %float3.535530e-01, %false_71 : !torch.vtensor<[1,2,5,8],f32>, !torch.vtensor<[1,2,5,8],f32>, !torch.vtensor<[1,2,5,8],f32>, !torch.vtensor<[1,1,5,5],i1>, !torch.float, !torch.bool, !torch.float, !torch.bool -> !torch.vtensor<[1,2,5,8],f32>
    %int1_72 = torch.constant.int 1
    %int-1_73 = torch.constant.int -1
    %int5_74 = torch.constant.int 5
    %int8_75 = torch.constant.int 8
    %60 = torch.prim.ListConstruct %int1_72, %int-1_73, %int5_74, %int8_75 : (!torch.int, !torch.int, !torch.int, !torch.int) -> !torch.list<int>
    %61 = torch.aten.reshape %59, %60 : !torch.vtensor<[1,2,5,8],f32>, !torch.list<int> -> !torch.vtensor<[1,2,5,8],f32>
    %int1_76 = torch.constant.int 1
    %int2_77 = torch.constant.int 2
    %62 = torch.aten.transpose.int %61, %int1_76, %int2_77 : !torch.vtensor<[1,2,5,8],f32>, !torch.int, !torch.int -> !torch.vtensor<[1,5,2,8],f32>
    %int1_78 = torch.constant.int 1
    %int5_79 = torch.constant.int 5
    %int-1_80 = torch.constant.int -1
    %63 = torch.prim.ListConstruct %int1_78, %int5_79, %int-1_80 : (!torch.int, !torch.int, !torch.int) -> !torch.list<int>
    %64 = torch.aten.reshape %62, %63 : !torch.vtensor<[1,5,2,8],f32>, !torch.list<int> -> !torch.vtensor<[1,5,16],f32>
    %65 = torch.vtensor.literal(dense<0.015625> : tensor<16x16xf32>) : !torch.vtensor<[16,16],f32>
    %66 = torch.vtensor.literal(dense_resource<torch_tensor_16_torch.float32_6> : tensor<16xf32>) : !torch.vtensor<[16],f32>
    %67 = torch.aten.linear %64, %65, %66 : !torch.vtensor<[1,5,16],f32>, !torch.vtensor<[16,16],f32>, !torch.vtensor<[16],f32> -> !torch.vtensor<[1,5,16],f32>
    %float0.000000e00_81 = torch.constant.float 0.000000e+00
    %false_82 = torch.constant.bool false
    %68 = torch.aten.dropout %67, %float0.000000e00_81, %false_82 : !torch.vtensor<[1,5,16],f32>, !torch.float, !torch.bool -> !torch.vtensor<[1,5,16],f32>
    %int1_83 = torch.constant.int 1
    %69 = torch.aten.add.Tensor %68, %15, %int1_83 : !torch.vtensor<[1,5,16],f32>, !torch.vtensor<[1,5,16],f32>, !torch.int -> !torch.vtensor<[1,5,16],f32>
    %int16_84 = torch.constant.int 16
    %70 = torch.prim.ListConstruct %int16_84 : (!torch.int) -> !torch.list<int>
    %71 = torch.vtensor.literal(dense_resource<torch_tensor_16_torch.float32_7> : tensor<16xf32>) : !torch.vtensor<[16],f32>
    %72 = torch.vtensor.literal(dense_resource<torch_tensor_16_torch.float32_8> : tensor<16xf32>) : !torch.vtensor<[16],f32>
    %float9.999990e-13_85 = torch.constant.float 9.9999999999999998E-13
    %false_86 = torch.constant.bool false
    %73 = torch.aten.layer_norm %69, %70, %71, %72, %float9.999990e-13_85, %false_86 : !torch.vtensor<[1,5,16],f32>, !torch.list<int>, !torch.vtensor<[16],f32>, !torch.vtensor<[16],f32>, !torch.float, !torch.bool -> !torch.vtensor<[1,5,16],f32>
    %74 = torch.vtensor.literal(dense<0.015625> : tensor<32x16xf32>) : !torch.vtensor<[32,16],f32>
    %75 = torch.vtensor.literal(dense<0.015625> : tensor<32xf32>) : !torch.vtensor<[32],f32>
    %76 = torch.aten.linear %73, %74, %75 : !torch.vtensor<[1,5,16],f32>, !torch.vtensor<[32,16],f32>, !torch.vtensor<[32],f32> -> !torch.vtensor<[1,5,32],f32>
    %str = torch.constant.str "none"
    %77 = torch.aten.gelu %76, %str : !torch.vtensor<[1,5,32],f32>, !torch.str -> !torch.vtensor<[1,5,32],f32>
    %78 = torch.vtensor.literal(dense<0.015625> : tensor<16x32xf32>) : !torch.vtensor<[16,32],f32>
    %79 = torch.vtensor.literal(dense_resource<torch_tensor_16_torch.float32_9> : tensor<16xf32>) : !torch.vtensor<[16],f32>
    %80 = torch.aten.linear %77, %78, %79 : !torch.vtensor<[1,5,32],f32>, !torch.vtensor<[16,32],f32>, !torch.vtensor<[16],f32> -> !torch.vtensor<[1,5,16],f32>
    %float0.000000e00_87 = torch.constant.float 0.000000e+00
    %false_88 = torch.constant.bool false
    %81 = torch.aten.dropout %80, %float0.000000e00_87, %false_88 : !torch.vtensor<[1,5,16],f32>, !torch.float, !torch.bool -> !torch.vtensor<[1,5,16],f32>
    %int1_89 = torch.constant.int 1
    %82 = torch.aten.add.Tensor %81, %69, %int1_89 : !torch.vtensor<[1,5,16],f32>, !torch.vtensor<[1,5,16],f32>, !torch.int -> !torch.vtensor<[1,5,16],f32>
    %int16_90 = torch.constant.int 16
    %83 = torch.prim.ListConstruct %int16_90 : (!torch.int) -> !torch.list<int>
    %84 = torch.vtensor.literal(dense_resource<torch_tensor_16_torch.float32_10> : tensor<16xf32>) : !torch.vtensor<[16],f32>
    %85 = torch.vtensor.literal(dense_resource<torch_tensor_16_torch.float32_11> : tensor<16xf32>) : !torch.vtensor<[16],f32>
    %float9.999990e-13_91 = torch.constant.float 9.9999999999999998E-13
    %false_92 = torch.constant.bool false
    %86 = torch.aten.layer_norm %82, %83, %84, %85, %float9.999990e-13_91, %false_92 : !torch.vtensor<[1,5,16],f32>, !torch.list<int>, !torch.vtensor<[16],f32>, !torch.vtensor<[16],f32>, !torch.float, !torch.bool -> !torch.vtensor<[1,5,16],f32>
    %int1_93 = torch.constant.int 1
    %int0_94 = torch.constant.int 0
    %87 = torch.aten.select.int %86, %int1_93, %int0_94 : !torch.vtensor<[1,5,16],f32>, !torch.int, !torch.int -> !torch.vtensor<[1,16],f32>
    %88 = torch.vtensor.literal(dense<0.015625> : tensor<3x16xf32>) : !torch.vtensor<[3,16],f32>
    %89 = torch.vtensor.literal(dense_resource<torch_tensor_3_torch.float32> : tensor<3xf32>) : !torch.vtensor<[3],f32>
    %90 = torch.aten.linear %87, %88, %89 : !torch.vtensor<[1,16],f32>, !torch.vtensor<[3,16],f32>, !torch.vtensor<[3],f32> -> !torch.vtensor<[1,3],f32>
    return %90 : !torch.vtensor<[1,3],f32>
  }
}

{-#
  dialect_resources: {
    builtin: {
      torch_tensor_16_torch.float32: "0x0400000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000",
      torch_tensor_1_1_16_torch.float32: "0x04000000827838BDB2F084BCFB3A2ABCE9BDFABC80DD1DBBD841933C7F29073C82CA1DBD2FFE703C9220ECBB9DBBFCBA2CC771BC7B74483C2A8F95BAA5F9223BF98F893C",
      torch_tensor_16_torch.float32_1: "0x040000000000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F",
      torch_tensor_16_torch.float32_2: "0x0400000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000",
      torch_tensor_16_torch.float32_3: "0x0400000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000",
      torch_tensor_16_torch.float32_4: "0x0400000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000",
      torch_tensor_16_torch.float32_5: "0x0400000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000",
      torch_tensor_16_torch.float32_6: "0x0400000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000",
      torch_tensor_16_torch.float32_7: "0x040000000000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F",
      torch_tensor_16_torch.float32_8: "0x0400000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000",
      torch_tensor_16_torch.float32_9: "0x0400000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000",
      torch_tensor_16_torch.float32_10: "0x040000000000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F",
      torch_tensor_16_torch.float32_11: "0x0400000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000",
      torch_tensor_3_torch.float32: "0x04000000000000000000000000000000"
    }
  }
#-}
